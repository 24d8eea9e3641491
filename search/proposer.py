"""From a proposal to a candidate: sample, look for duplicates, compare with the limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import optuna
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from nas_search.search.journal import Candidate, Fate, StudyJournal, proposal_index
from nas_search.search.problem import Prospect, SearchProblem
from nas_search.search.samplers.base import distributions, genome_of
from nas_search.search.samplers.factory import MakeSampler
from nas_search.space.genome import Genome
from nas_search.space.genome_space import GenomeSpace

MUTATIONS_OF_DUPLICATE = 20
"""A proposal that was there before is mutated at most so often before it counts as a duplicate."""
_MUTATION_STREAM = 1


class Proposes(Protocol):
    """Whoever makes candidates for a search."""

    @property
    def problem(self) -> SearchProblem:
        """What they are made for."""

    def propose(self, journal: StudyJournal, trial: FrozenTrial, seen: Mapping[str, int]) -> Candidate:
        """The candidate of a running trial; ``seen`` has the trials' numbers of earlier ones by fingerprint."""


@dataclass(frozen=True)
class Proposer:
    """Turns what a sampler proposes into candidates. All randomness comes from ``seed`` and the proposal index."""

    problem: SearchProblem
    make_sampler: MakeSampler
    seed: int

    def propose(self, journal: StudyJournal, trial: FrozenTrial, seen: Mapping[str, int]) -> Candidate:
        """The candidate of a running trial, by a sampler made for it.

        ``seen`` maps the fingerprints of all earlier candidates to their trials' numbers.
        """
        space, index = self.problem.space, proposal_index(trial)
        study = journal.study(self.make_sampler(self.problem, self.seed, index))
        prospect = self._prospect(genome_of(sample_params(study, trial, space), space.genes))
        rng = np.random.default_rng([self.seed, index, _MUTATION_STREAM])
        for _ in range(MUTATIONS_OF_DUPLICATE):
            if prospect.fingerprint not in seen:
                break
            prospect = self._mutated(prospect, rng)
        return self._candidate(prospect, seen.get(prospect.fingerprint))

    def _candidate(self, prospect: Prospect, duplicate_of: int | None) -> Candidate:
        goals, figures = self.problem.goals, prospect.figures
        fate: Fate = "over_limit" if goals.excess(figures) else "train"
        return Candidate(
            genome={gene.name: value for gene, value in zip(self.problem.space.genes, prospect.genome, strict=True)},
            architecture=prospect.architecture,
            fingerprint=prospect.fingerprint,
            parameters=prospect.parameters,
            latency_ms=figures[goals.main.name],
            figures=figures,
            over=goals.over(figures),
            fate=fate if duplicate_of is None else "duplicate",
            duplicate_of=duplicate_of,
            scored_as=prospect.scored_as,
        )

    def _mutated(self, prospect: Prospect, rng: np.random.Generator) -> Prospect:
        try:
            return self._prospect(self.problem.space.mutate(prospect.genome, rng))
        except ValueError:  # a space with one member
            return prospect

    def _prospect(self, genome: Genome) -> Prospect:
        (prospect,) = self.problem.members.prospects([genome])
        return prospect


def sample_params(study: optuna.Study, trial: FrozenTrial, space: GenomeSpace) -> dict[str, Any]:
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
