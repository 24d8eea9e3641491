"""What samplers may know of a search before anything is trained: the members, and whatever is known of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nas_search.search.goals import Goals
from nas_search.space.genome import Genome
from nas_search.space.genome_space import GenomeSpace

FloatArray = NDArray[np.float64]


class Prospect(Protocol):
    """A member of the space with all that is known before training."""

    @property
    def genome(self) -> Genome:
        """The canonical one."""

    @property
    def figures(self) -> dict[str, float]:
        """What is predicted, by name (those of ``Goals.known``)."""

    @property
    def architecture(self) -> str:
        """What it is, in words of its space."""

    @property
    def fingerprint(self) -> str:
        """Tells members apart."""

    @property
    def parameters(self) -> int:
        """How many it has."""

    @property
    def scored_as(self) -> str | None:
        """The twin that is trained in its place, if one is."""


class Members(Protocol):
    """The members of a search: of a space with a latency table, or the rows of a recorded table."""

    @property
    def space(self) -> GenomeSpace:
        """Their genomes."""

    def prospects(self, genomes: Sequence[Genome]) -> list[Prospect]:
        """What is known of the members that any genomes, repaired, build; in their order."""

    def features(self, genomes: Sequence[Genome]) -> FloatArray:
        """[n, k] numbers that describe members (canonical genomes) to a model of the loss, of the order of one."""


@dataclass(frozen=True, eq=False)
class PriorSource:
    """The n scored trials of another run whose architectures are in this space; n is at least one.

    With ``same_score`` their losses are the very quantity of this search, otherwise they only inform about it.
    ``genomes`` are canonical and build the architectures, but for their widths where this space derives them.
    ``features`` [n, k] have the columns of :meth:`Members.features`. ``losses`` [n] are in bits per byte at the top
    rung of that run, ``loss_sd`` [n] the standard deviations of those that are extrapolated to it, zero for the others.
    """

    name: str
    same_score: bool
    genomes: tuple[Genome, ...]
    features: FloatArray
    losses: FloatArray
    loss_sd: FloatArray


@dataclass(frozen=True)
class SearchProblem:
    """What a sampler is made for. ``penalty_loss`` in bits per byte is that of a model which knows nothing.

    ``prior`` has what other runs found; a row whose genome is in the study by now tells nothing more.
    """

    members: Members
    goals: Goals
    penalty_loss: float
    prior: tuple[PriorSource, ...] = ()

    @property
    def space(self) -> GenomeSpace:
        """The genomes to choose from."""
        return self.members.space

    def latency(self, prospect: Prospect) -> float:
        """The figure of the search's own workload, in milliseconds."""
        return prospect.figures[self.goals.main.name]
