"""What is planned: a configuration, its space, and the rates to go by."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from nas_search.proxies.twin import TwinRule
from nas_search.search.config import CONFIRM_TOKENS_FACTOR, PROPOSALS_PER_TRIAL, SearchConfig
from nas_search.search.planning.rates import Trained, TrainingRates, recorded_rates, run_rates
from nas_search.search.planning.training_model import TrainingModel
from nas_search.search.rungs import Ladder
from nas_search.search.samplers.factory import check_sampler
from nas_search.search.study import Study
from nas_search.space.architecture import Architecture
from nas_search.space.search_space import SearchSpace, load_space


@dataclass(frozen=True, eq=False)
class PlanInput:
    """``config`` has no open defaults that matter to a plan.

    ``tokens_per_second`` is that of a random member on one worker of a device without recorded rates.
    """

    config: SearchConfig
    space: SearchSpace
    twins: TwinRule | None
    rates: TrainingRates
    tokens_per_second: float | None = None

    @classmethod
    def of(cls, config: SearchConfig, study: Study | None, tokens_per_second: float | None = None) -> PlanInput:
        """By the rates of a run, or by those of the package without one.

        Raises InputError for an unknown space or sampler, and for a run with too few trials.
        """
        check_sampler(config.sampler, config.sampler_options)
        rates = recorded_rates() if study is None else run_rates(study)
        same = study is not None and config.space == study.config.space
        space = study.space if study is not None and same else load_space(config.space)
        twins = study.facts.twins if study is not None and same and study.facts is not None else None
        return cls(_whole(config), space, twins, rates, tokens_per_second)

    @property
    def ladder(self) -> Ladder:
        """The rungs."""
        return Ladder.build(self.config.tokens, self.config.lowest_rung)

    @property
    def trained(self) -> Trained:
        """What is trained of a member."""
        return self.twins.twin if self.twins is not None else _itself

    @cached_property
    def model(self) -> TrainingModel:
        """What trainings take and give."""
        return TrainingModel(
            self.rates, self.space, self.trained, self.config.recipe, tokens_per_second=self.tokens_per_second
        )


def _itself(architecture: Architecture) -> Architecture:
    return architecture


def _whole(config: SearchConfig) -> SearchConfig:
    """With the defaults that follow from other fields; what depends on this machine's devices does not matter here."""
    return config.model_copy(
        update={
            "proposals": config.proposals or PROPOSALS_PER_TRIAL * config.trials,
            "workers": config.worker_count,
            "confirm_tokens": config.confirm_tokens or CONFIRM_TOKENS_FACTOR * config.tokens,
        }
    )
