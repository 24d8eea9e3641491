"""From a proposal to a candidate: sample, repair, decode, look for duplicates, predict the figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from nas_search.proxies.twin import TwinRule
from nas_search.search.goals import Goals, Predict
from nas_search.search.journal import Candidate, Fate
from nas_search.search.samplers.base import distributions, genome_of
from nas_search.space.architecture import Architecture
from nas_search.space.genome import Genome
from nas_search.space.search_space import SearchSpace

MUTATIONS_OF_DUPLICATE = 20
"""A proposal that was there before is mutated at most so often before it counts as a duplicate."""
_MUTATION_STREAM = 1


@dataclass(frozen=True)
class Proposer:
    """Turns what a sampler proposes into candidates of a space.

    ``predict`` gives a workload's figure by the table, ``goals`` say which are asked for and have limits,
    ``twins`` which networks are trained in their place. All randomness comes from ``seed`` and the proposal index.
    """

    space: SearchSpace
    goals: Goals
    predict: Predict
    seed: int
    twins: TwinRule | None = None

    def propose(
        self, study: optuna.Study, trial: FrozenTrial, proposal_index: int, seen: Mapping[str, int]
    ) -> Candidate:
        """The candidate of a running trial of ``study``, by the study's sampler.

        ``seen`` maps the fingerprints of all earlier candidates to their trials' numbers.
        """
        params = sample_params(study, trial, self.space)
        genome = self._normal(genome_of(params, self.space.genes))
        architecture = self._architecture(genome)
        rng = np.random.default_rng([self.seed, proposal_index, _MUTATION_STREAM])
        for _ in range(MUTATIONS_OF_DUPLICATE):
            if architecture.fingerprint not in seen:
                break
            genome = self._mutated(genome, rng)
            architecture = self._architecture(genome)
        return self._candidate(genome, architecture, seen.get(architecture.fingerprint))

    def _candidate(self, genome: Genome, architecture: Architecture, duplicate_of: int | None) -> Candidate:
        figures = self.goals.figures(architecture, self.predict)
        fate: Fate = "over_limit" if self.goals.excess(figures) else "train"
        return Candidate(
            genome={gene.name: value for gene, value in zip(self.space.genes, genome, strict=True)},
            architecture=architecture.notation,
            fingerprint=architecture.fingerprint,
            parameters=architecture.parameters,
            latency_ms=figures[self.goals.main.name],
            figures=figures,
            over=self.goals.over(figures),
            fate=fate if duplicate_of is None else "duplicate",
            duplicate_of=duplicate_of,
            scored_as=None if self.twins is None else self.twins.twin(architecture).notation,
        )

    def _normal(self, genome: Genome) -> Genome:
        """The one genome that stands for all which build the same."""
        return self.space.canonical(self.space.repair(genome))

    def _mutated(self, genome: Genome, rng: np.random.Generator) -> Genome:
        try:
            return self._normal(self.space.mutate(genome, rng))
        except ValueError:  # a space with one member
            return genome

    def _architecture(self, genome: Genome) -> Architecture:
        """With the widest width that meets the limits where the width is derived; the narrowest if none does."""
        if self.space.width == "gene":
            return self.space.decode(genome)
        return self.space.widest(genome, self._fits) or self.space.decode(genome, min(self.space.widths))

    def _fits(self, architecture: Architecture) -> bool:
        return not self.goals.excess(self.goals.figures(architecture, self.predict))


def sample_params(study: optuna.Study, trial: FrozenTrial, space: SearchSpace) -> dict[str, Any]:
    """The study's sampler's choice for every gene, without writing it to the trial.

    These are the calls that Optuna makes for a trial's ``suggest_`` methods. The trial's parameters are written
    afterwards: they are those of the repaired genome.
    """
    sampler: BaseSampler = study.sampler
    sampler.before_trial(study, trial)
    relative = sampler.infer_relative_search_space(study, trial)
    params = sampler.sample_relative(study, trial, relative)
    for name, distribution in distributions(space.genes).items():
        if name not in params:
            params[name] = sampler.sample_independent(study, trial, name, distribution)
    return params
