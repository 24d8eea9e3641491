"""Aging evolution (Real et al. 2019, "Regularized Evolution"), as Nemotron-Flash uses it (section 3).

A random sample of the population holds a tournament; its winner's child differs in one factor; the oldest member
leaves. Population and sample size are not published: they are options here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nas_search.search.problem import Prospect, SearchProblem
from nas_search.search.samplers.base import GenomeSampler, History
from nas_search.search.samplers.evolution.children import crossover, mutation, worthwhile
from nas_search.search.samplers.evolution.population import Member, population
from nas_search.search.samplers.evolution.tournament import Selector, greatest_contribution, tournament
from nas_search.space.genome import Genome


@dataclass(frozen=True)
class EvolutionSettings:
    """Numbers that evolution may be given.

    ``population`` and ``sample_size`` (of a tournament) are P and S of section 3, where they are not given: defaults
    were chosen by ``experiments/search-benchmark/evolution.py``. The population changes after every ``cycle`` trials,
    10 as published. The share ``crossover`` of children has two parents. Of ``screened`` children the most promising
    one by a model of the loss is proposed.
    """

    population: int = 30
    sample_size: int = 20
    cycle: int = 10
    crossover: float = 0.0
    screened: int = 1


class AgingEvolution(GenomeSampler):
    """Until the population is full, members are random. None is proposed twice or over a limit if it can be helped."""

    def __init__(
        self,
        problem: SearchProblem,
        rng: np.random.Generator,
        settings: EvolutionSettings,
        select: Selector = greatest_contribution,
    ) -> None:
        super().__init__(problem.space, rng)
        self.problem, self.settings, self.select = problem, settings, select

    def choose(self, history: History) -> Genome:
        """A child of a tournament's winner, or a random member while the population grows."""
        settings, genes = self.settings, self.space.genes
        living = population(history.complete, self.problem.goals, genes, size=settings.population, cycle=settings.cycle)
        if not living:
            return worthwhile(lambda: self.space.sample(self.rng), 1, self.problem, history.taken)[0].genome
        children = worthwhile(lambda: self._child(living), settings.screened, self.problem, history.taken)
        return self._screen(children, history).genome

    def _screen(self, children: Sequence[Prospect], history: History) -> Prospect:
        if len(children) == 1:
            return children[0]
        from nas_search.search.samplers.evolution.screening import most_promising

        return most_promising(children, history, self.problem, self.rng)

    def _child(self, living: list[Member]) -> Genome:
        parent = self._parent(living)
        if self.rng.random() < self.settings.crossover:
            return crossover(parent, self._parent(living), self.space, self.rng)
        return mutation(parent, self.space, self.rng)

    def _parent(self, living: list[Member]) -> Genome:
        chosen = self.rng.choice(len(living), size=min(self.settings.sample_size, len(living)), replace=False)
        return tournament([living[index] for index in chosen], self.select).genome
