"""Whether a text is enough: the least that is trained on, and how often a budget goes through it."""

from __future__ import annotations

from nas_search.errors import InputError

MIN_TRAIN_TOKENS = 4096
MIN_VALIDATION_TOKENS = 512


def check_size(name: str, train: int, validation: int) -> None:
    """Raise InputError for text that has too few tokens on either side."""
    if train < MIN_TRAIN_TOKENS or validation < MIN_VALIDATION_TOKENS:
        raise InputError(
            f"data '{name}': too small, {train} tokens to train and {validation} to validate on; "
            f"at least {MIN_TRAIN_TOKENS} and {MIN_VALIDATION_TOKENS} are needed"
        )


def repeats(budget: int, available: int | None) -> str | None:
    """What to say of a budget of training tokens that goes through the ``available`` ones more than once.

    None if it does not, or if nobody knows how many there are.
    """
    if available is None or budget <= available:
        return None
    return f"{available:,} tokens to train on, so {budget:,} are {budget / available:.1f} epochs"
