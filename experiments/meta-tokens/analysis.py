"""With meta tokens less without."""

from arms import analyse_arms as analyse

__all__ = ["analyse"]
