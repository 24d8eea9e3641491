"""What our own samplers share: they choose whole genomes, from the study's history and a generator alone."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import FrozenTrial, TrialState

from nas_search.space.genome import Gene, Genome
from nas_search.space.genome_space import GenomeSpace


def distributions(genes: Sequence[Gene]) -> dict[str, CategoricalDistribution]:
    """The Optuna distribution of every gene: all are choices."""
    return {gene.name: CategoricalDistribution(gene.choices) for gene in genes}


def genome_of(params: Mapping[str, Any], genes: Sequence[Gene]) -> Genome:
    """The genome that a trial's parameters spell."""
    return tuple(params[gene.name] for gene in genes)


class History:
    """The trials of a study that hold every gene, but for the one that is being proposed. Read when asked for.

    Trials are not copied: not to be changed.
    """

    def __init__(self, study: optuna.Study, trial: FrozenTrial, names: Sequence[str]) -> None:
        self._study, self._number, self._names = study, trial.number, tuple(names)

    @cached_property
    def complete(self) -> list[FrozenTrial]:
        """Those with values, by number."""
        return self._in(TrialState.COMPLETE)

    @cached_property
    def running(self) -> tuple[Genome, ...]:
        """The different genomes of those that are proposed but not told yet, by number."""
        return tuple(dict.fromkeys(map(self._genome, self._in(TrialState.RUNNING))))

    @cached_property
    def taken(self) -> set[Genome]:
        """The genomes of all of them, the failed ones too."""
        return set(map(self._genome, self._in(*TrialState)))

    def _genome(self, trial: FrozenTrial) -> Genome:
        return tuple(trial.params[name] for name in self._names)

    def _in(self, *states: TrialState) -> list[FrozenTrial]:
        trials = self._study.get_trials(deepcopy=False, states=states)
        return [one for one in trials if one.number != self._number and one.params.keys() >= set(self._names)]


class GenomeSampler(BaseSampler):
    """A sampler that chooses all genes at once. Made anew for every proposal; it keeps nothing between them.

    Parameters that are no genes of the space are drawn at random.
    """

    def __init__(self, space: GenomeSpace, rng: np.random.Generator) -> None:
        self.space = space
        self.rng = rng
        self._other = RandomSampler(seed=int(rng.integers(2**32)))

    @abstractmethod
    def choose(self, history: History) -> Genome:
        """The next genome, after what has been before."""

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """All genes."""
        return dict(distributions(self.space.genes))

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The genes that :meth:`choose` chooses, and a random value for whatever else is asked for."""
        genes = distributions(self.space.genes)
        chosen: dict[str, Any] = {}
        if all(search_space.get(name) == distribution for name, distribution in genes.items()):
            chosen = dict(zip(genes, self.choose(History(study, trial, tuple(genes))), strict=True))
        return {
            name: chosen[name] if name in chosen else self.sample_independent(study, trial, name, distribution)
            for name, distribution in search_space.items()
        }

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A random value: the parameter is no gene."""
        return self._other.sample_independent(study, trial, param_name, param_distribution)

    def reseed_rng(self) -> None:
        """Draw differently from a copy of this sampler in another thread."""
        self.rng = np.random.default_rng()
        self._other.reseed_rng()
