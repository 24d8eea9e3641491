"""The members of a search space, with figures by a latency table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from nas_search.proxies.twin import TwinRule
from nas_search.search.architecture_features import architecture_features
from nas_search.search.goals import Goals, Predict
from nas_search.search.problem import FloatArray, Prospect
from nas_search.space.architecture import Architecture, fingerprint_of
from nas_search.space.genome import Genome
from nas_search.space.search_space import SearchSpace

_KEPT = 4096
"""So many architectures are kept: a proposal asks several times for the same ones."""


@dataclass(frozen=True)
class SpaceProspect:
    """A member with its figures; the rest is found when somebody asks, since of many hundreds one is proposed."""

    genome: Genome
    figures: dict[str, float]
    member: Architecture
    twins: TwinRule | None

    @cached_property
    def architecture(self) -> str:
        """The shortest of many notations."""
        return self.member.notation

    @property
    def fingerprint(self) -> str:
        """That of the architecture."""
        return fingerprint_of(self.architecture)

    @property
    def parameters(self) -> int:
        """Those of the member, not of its twin."""
        return self.member.parameters

    @property
    def scored_as(self) -> str | None:
        """The notation of its twin."""
        return None if self.twins is None else self.twins.twin(self.member).notation


@dataclass(frozen=True)
class SpaceMembers:
    """``predict`` gives workloads' figures by the table, ``goals`` say which are asked for and have limits.

    ``twins`` says which networks are trained in the members' place.
    """

    space: SearchSpace
    goals: Goals
    predict: Predict
    twins: TwinRule | None = None

    def prospects(self, genomes: Sequence[Genome]) -> list[Prospect]:
        """What is known of the members that any genomes, repaired, build; in their order."""
        normal = [self.space.canonical(genome) for genome in genomes]
        architectures = [self._built(genome) for genome in normal]
        figures = self.goals.figures(architectures, self.predict)
        return [SpaceProspect(*one, self.twins) for one in zip(normal, figures, architectures, strict=True)]

    def features(self, genomes: Sequence[Genome]) -> FloatArray:
        """[n, k] what :meth:`architecture_features` finds in members (canonical genomes)."""
        return self.architecture_features([self._built(genome) for genome in genomes])

    def architecture_features(self, architectures: Sequence[Architecture]) -> FloatArray:
        """[n, k] features of architectures of the space, whatever width their genomes have here."""
        return architecture_features(architectures, self.space)

    @cached_property
    def _built(self) -> Callable[[Genome], Architecture]:
        return lru_cache(maxsize=_KEPT)(self._architecture)

    def _architecture(self, genome: Genome) -> Architecture:
        """With the widest width that meets the limits where the width is derived; the narrowest if none does."""
        if self.space.width == "gene":
            return self.space.decode(genome)
        return self.space.widest(genome, self._fits) or self.space.decode(genome, min(self.space.widths))

    def _fits(self, architecture: Architecture) -> bool:
        (figures,) = self.goals.figures([architecture], self.predict)
        return not self.goals.excess(figures)
