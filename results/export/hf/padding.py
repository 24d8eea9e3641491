"""Which tokens of a padded batch are real."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Span(NamedTuple):
    """Sequences ``rows`` of a batch, whose real tokens are the columns from ``start`` to ``end``."""

    rows: list[int]
    start: int
    end: int


def real_spans(attention_mask: Tensor | None, batch: int, tokens: int, *, to_the_end: bool) -> list[Span]:
    """Sequences with the same padding together.

    With ``to_the_end`` padding on the right counts as tokens: nothing before it depends on it. Raises ValueError for a
    mask of another shape, without a token in some sequence, or with padding between tokens.
    """
    if attention_mask is None:
        return [Span(list(range(batch)), 0, tokens)]
    if attention_mask.shape != (batch, tokens):
        shape = tuple(attention_mask.shape)
        raise ValueError(f"attention_mask has shape {shape}; this model needs {(batch, tokens)}: a one for every token")
    rows: dict[tuple[int, int], list[int]] = {}
    for row, mask in enumerate(attention_mask.bool().tolist()):
        if not any(mask):
            raise ValueError(f"attention_mask: sequence {row} has no token")
        start, count = mask.index(True), sum(mask)
        if not all(mask[start : start + count]):
            raise ValueError(f"attention_mask: sequence {row} has padding between its tokens")
        rows.setdefault((start, tokens if to_the_end else start + count), []).append(row)
    return [Span(members, start, end) for (start, end), members in rows.items()]


def check_only_tokens(attention_mask: Tensor | None, columns: int) -> None:
    """Raise ValueError if the last ``columns`` of a mask have padding."""
    if attention_mask is not None and not attention_mask[:, -columns:].all():
        raise ValueError("attention_mask: padding after the first call; pad on the left of the prompt")
