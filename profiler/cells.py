"""The rows of a latency table: the terms that add up to a network's latency, or energy, in one phase.

value = overhead + sum of layers + CHANGE x changes + sum over k of BEYOND k x max(0, M - k) - TRAFFIC x M

``M`` is the memory that a step touches in MiB, weights and state. A layer's cost contains the memory traffic of a
network of reference size (TRAFFIC for each MiB); the BEYOND terms put the traffic right for smaller and larger
networks. ``changes`` counts the layers that follow one of another operator: the code of the new one has to be fetched.
"""

from __future__ import annotations

from typing import NamedTuple

from nas_search.profiler.phases import Phase, PhaseKind
from nas_search.profiler.precision import Precision

# What every network of a width has besides its layers: embedding, final norm, head.
OVERHEAD = "overhead"
# A layer of another operator than the one before it; one figure for all widths.
CHANGE = "change"
# For each MiB that a width's layers and overhead contain.
TRAFFIC = "traffic"
# Followed by a number: for each MiB beyond so many MiB; one figure for all widths.
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
    phase: PhaseKind
    batch: int
    context: int
    precision: str


class Cell(NamedTuple):
    """A figure with its 95 % interval over ``n`` rounds, and what it is on either clock.

    In ms; in mJ for the phase ``energy``.
    """

    key: CellKey
    value: float
    low: float
    high: float
    wall: float
    device: float
    n: int


class PhaseSetting(NamedTuple):
    """What is measured as one: a phase of a batch in some number formats. The part of a key that its terms share."""

    phase: Phase
    batch: int
    precision: Precision

    def key(self, operator: str, width: int = ALL_WIDTHS, vocabulary: int = ALL_VOCABULARIES) -> CellKey:
        """The key of a term."""
        kind, context = self.phase
        return CellKey(operator, width, vocabulary, kind, self.batch, context, str(self.precision))

    def __str__(self) -> str:
        """Such as ``step:256,batch=8,bfloat16``."""
        return f"{self.phase.kind}:{self.phase.context},batch={self.batch},{self.precision}"
