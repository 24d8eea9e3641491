"""Twins: what stands in training for networks that are too big to train.

A twin has the same operators in the same order, a smaller width, and the vocabulary of the text. All networks of a
search have twins by one rule, so that their scores compare.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from pydantic import BaseModel, ConfigDict

from nas_search.space.architecture import Architecture
from nas_search.space.operators.base import OperatorSpec

WIDTH_MULTIPLE = 8
"""Of every twin's width."""


class TwinRule(BaseModel):
    """How networks become twins: a width for each width, rising with it, and one vocabulary."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    widths: dict[int, int]
    vocabulary: int

    def twin(self, architecture: Architecture) -> Architecture:
        """The twin of a network with one of the rule's widths."""
        changes = {"width": self.widths[architecture.width], "vocabulary": self.vocabulary}
        return Architecture.model_validate({**dict(architecture), **changes})


def twin_rule(
    widths: Sequence[int],
    operators: Sequence[OperatorSpec],
    vocabulary: int,
    fits: Callable[[TwinRule], bool],
) -> TwinRule | None:
    """The rule with the widest twins that ``fits``, at most as wide as the networks themselves; None if there is none.

    ``operators`` are all that networks can have: every twin's width suits each of them.
    """
    accepted = accepted_widths(operators, widths)
    for widest in reversed(accepted):
        scaled = scaled_widths(widths, widest, accepted)
        rule = None if scaled is None else TwinRule(widths=scaled, vocabulary=vocabulary)
        if rule is None or fits(rule):
            return rule
    return None


def accepted_widths(operators: Iterable[OperatorSpec], widths: Sequence[int]) -> list[int]:
    """What every operator can have of ``widths`` and of the multiples of WIDTH_MULTIPLE below the widest; rising."""
    specs = tuple(operators)
    candidates = {*range(WIDTH_MULTIPLE, max(widths), WIDTH_MULTIPLE), *widths}
    return [width for width in sorted(candidates) if all(_suits(spec, width) for spec in specs)]


def scaled_widths(widths: Iterable[int], widest: int, accepted: Sequence[int]) -> dict[int, int] | None:
    """For each width the accepted one nearest to it in proportion, ``widest`` for the widest of them.

    Different widths stay different, in the same order: from the widest down, each takes the nearest of those below
    the one taken before that leave enough for the rest. None if too few are accepted.
    """
    falling = sorted(widths, reverse=True)
    scale = widest / falling[0]
    room = [width for width in accepted if width <= widest]
    if len(room) < len(falling):
        return None
    scaled: dict[int, int] = {}
    for left, width in zip(reversed(range(len(falling))), falling, strict=True):
        scaled[width] = min(room[left:], key=lambda candidate: (abs(candidate - scale * width), -candidate))
        room = room[: room.index(scaled[width])]
    return dict(sorted(scaled.items()))


def times_fewer(architecture: Architecture, twin: Architecture) -> float:
    """How many times fewer parameters the twin has."""
    return architecture.parameters / twin.parameters


def _suits(spec: OperatorSpec, width: int) -> bool:
    try:
        spec.check(width)
    except ValueError:
        return False
    return True
