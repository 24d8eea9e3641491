"""The rows of a latency table: the terms that add up to a network's latency in one phase.

latency = overhead + sum of layers + CHANGE x changes + sum over k of BEYOND k x max(0, M - k) - TRAFFIC x M

``M`` is the memory that a step touches in MiB, weights and state. A layer's cost contains the memory traffic of a
network of reference size (TRAFFIC for each MiB); the BEYOND terms put the traffic right for smaller and larger
networks. ``changes`` counts the layers that follow one of another operator: the code of the new one has to be fetched.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from nas_search.profiler.phases import Phase

# What every network of a width has besides its layers: embedding, final norm, head.
OVERHEAD = "overhead"
# A layer of another operator than the one before it; one figure for all widths.
CHANGE = "change"
# Milliseconds for each MiB that a width's layers and overhead contain.
TRAFFIC = "traffic"
# Followed by a number: milliseconds for each MiB beyond so many MiB; one figure for all widths.
BEYOND = "beyond "
ALL_WIDTHS = 0
ALL_VOCABULARIES = 0


class CellKey(NamedTuple):
    """What a figure belongs to: ``operator`` is an operator's notation, for one layer of it, or a term's name.

    ``vocabulary`` is 0 except for the overhead. ``context`` counts meta tokens.
    """

    operator: str
    width: int
    vocabulary: int
    phase: Literal["prefill", "step"]
    batch: int
    context: int
    dtype: str


class Cell(NamedTuple):
    """A figure in ms with its 95 % interval over ``n`` rounds, and what it is on either clock."""

    key: CellKey
    latency_ms: float
    low_ms: float
    high_ms: float
    wall_ms: float
    cpu_ms: float
    n: int


class PhaseSetting(NamedTuple):
    """The part of a key that all terms of one phase share."""

    phase: Phase
    batch: int
    dtype: str

    def key(self, operator: str, width: int = ALL_WIDTHS, vocabulary: int = ALL_VOCABULARIES) -> CellKey:
        """The key of a term."""
        return CellKey(operator, width, vocabulary, self.phase.kind, self.batch, self.phase.context, self.dtype)
