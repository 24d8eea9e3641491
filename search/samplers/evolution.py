"""Aging evolution (Real et al. 2019, "Regularized Evolution"), as Nemotron-Flash uses it (section 3).

A random sample of the population holds a tournament; its winner's child differs in one factor; the oldest member
leaves. Population and sample size are not published: they are options here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from optuna.trial import FrozenTrial

from nas_search.search.front import ranks
from nas_search.search.goals import Goals
from nas_search.search.samplers.base import GenomeSampler, History, genome_of
from nas_search.space.genome import Genome
from nas_search.space.genome_space import GenomeSpace

POPULATION = 20
SAMPLE_SIZE = 10
"""Of ten settings on a synthetic landscape over the CPU space (16 seeds, 24, 50 and 100 trials), with and without a
limit, none was better in all columns; small populations and small samples were worse than random at 24 trials."""


class AgingEvolution(GenomeSampler):
    """The population is the last ``population`` completed trials; until there are as many, members are random.

    Ages are proposal indices, so that a trial which finishes late is no younger for it. The parent is a member of the
    sample within all limits that no other one dominates in the objectives without a limit: with a limit on latency
    that of lowest loss, without any a member of the front, since lowest loss alone drifts to the slowest. If none
    is within the limits it is the one that misses them least.
    """

    def __init__(
        self,
        space: GenomeSpace,
        rng: np.random.Generator,
        goals: Goals,
        population: int = POPULATION,
        sample_size: int = SAMPLE_SIZE,
    ) -> None:
        super().__init__(space, rng)
        self.goals = goals
        self.population = population
        self.sample_size = sample_size

    def choose(self, history: History) -> Genome:
        """A child of a tournament's winner, or a random member while the population grows."""
        if len(history.complete) < self.population:
            return self.space.sample(self.rng)
        population = sorted(history.complete, key=_age)[-self.population :]
        chosen = self.rng.choice(len(population), size=min(self.sample_size, len(population)), replace=False)
        parent = tournament([population[index] for index in chosen], self.goals, self.rng)
        return self._child(genome_of(parent.params, self.space.genes))

    def _child(self, parent: Genome) -> Genome:
        try:
            return self.space.mutate(parent, self.rng)
        except ValueError:  # no change of one factor builds anything else
            return self.space.sample(self.rng)


def tournament(sample: Sequence[FrozenTrial], goals: Goals, rng: np.random.Generator) -> FrozenTrial:
    """The winner among ``sample``, whose values are those of the objectives of ``goals``."""
    feasible = [trial for trial in sample if not _excess(trial)]
    if not feasible:
        return min(sample, key=lambda trial: (_excess(trial), -_age(trial)))
    rank = ranks([goals.unlimited(trial.values) for trial in feasible])
    first = [trial for trial, value in zip(feasible, rank, strict=True) if value == 0]
    return first[int(rng.integers(len(first)))]


def _excess(trial: FrozenTrial) -> float:
    """The shares by which a trial misses limits, added."""
    return sum(share for share in trial.constraints.values() if share > 0)


def _age(trial: FrozenTrial) -> int:
    """The proposal index where there is one: a trial that was queued again keeps its age."""
    return int(trial.user_attrs.get("proposal_index", trial.number))
