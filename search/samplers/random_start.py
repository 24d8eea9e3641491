"""Model-based samplers need something to learn from: random members of the space first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from nas_search.search.samplers.random_members import RandomMembers

START_TRIALS = 8
"""Completed trials before a model takes over: a third of the default search."""


class RandomStart(BaseSampler):
    """``first`` until ``START_TRIALS`` trials are complete, then ``then``.

    Optuna's samplers begin with independent random genes, nearly all of which overflow and are repaired to networks
    of the greatest depth; members drawn from the space are spread evenly over depth.
    """

    def __init__(self, first: RandomMembers, then: BaseSampler) -> None:
        self._first = first
        self._then = then

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """That of the sampler whose turn it is."""
        return self._turn(study).infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """By the sampler whose turn it is."""
        return self._turn(study).sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """By the sampler whose turn it is."""
        return self._turn(study).sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Told to the sampler whose turn it is."""
        self._turn(study).before_trial(study, trial)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """Told to the sampler whose turn it is."""
        self._turn(study).after_trial(study, trial, state, values)

    def _turn(self, study: Study) -> BaseSampler:
        complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        return self._first if len(complete) < START_TRIALS else self._then
