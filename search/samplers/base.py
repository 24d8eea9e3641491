"""What our own samplers share: they choose whole genomes, from the study's history and a generator alone."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import FrozenTrial, TrialState

from nas_search.space.genome import Gene, Genome
from nas_search.space.search_space import SearchSpace


def distributions(genes: Sequence[Gene]) -> dict[str, CategoricalDistribution]:
    """The Optuna distribution of every gene: all are choices."""
    return {gene.name: CategoricalDistribution(gene.choices) for gene in genes}


def genome_of(params: Mapping[str, Any], genes: Sequence[Gene]) -> Genome:
    """The genome that a trial's parameters spell."""
    return tuple(params[gene.name] for gene in genes)


class GenomeSampler(BaseSampler):
    """A sampler that chooses all genes at once. Made anew for every proposal; it keeps nothing between them.

    Parameters that are no genes of the space are drawn at random.
    """

    def __init__(self, space: SearchSpace, rng: np.random.Generator) -> None:
        self.space = space
        self.rng = rng
        self._other = RandomSampler(seed=int(rng.integers(2**32)))

    @abstractmethod
    def choose(self, history: Sequence[FrozenTrial]) -> Genome:
        """The next genome; ``history`` has the completed trials that hold every gene, oldest first."""

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """All genes."""
        return dict(distributions(self.space.genes))

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The genes that :meth:`choose` chooses."""
        names = [gene.name for gene in self.space.genes]
        if not search_space.keys() >= set(names):
            return {}
        trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        history = [trial for trial in trials if trial.params.keys() >= set(names)]
        return dict(zip(names, self.choose(history), strict=True))

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A random value: the parameter is no gene."""
        return self._other.sample_independent(study, trial, param_name, param_distribution)

    def reseed_rng(self) -> None:
        """Draw differently from a copy of this sampler in another thread."""
        self.rng = np.random.default_rng()
        self._other.reseed_rng()
