"""With weight normalisation less without, each at its own best learning rate."""

from arms import analyse_arms as analyse

__all__ = ["analyse"]
