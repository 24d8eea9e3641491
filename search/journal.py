"""The study in an Optuna storage, a journal file or memory: the one place that writes it.

A proposal is one trial for good. Its line of creation carries the proposal index; a second line carries the
candidate (genome, architecture, predicted figures, fate); parameters and constraints follow from that, so whatever
a crash left out is written again, equal.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, RandomSampler
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, create_trial
from optuna.trial import TrialState as OptunaState
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nas_search.errors import InputError, first_problem
from nas_search.proxies.recall_result import RecallScore, recall_figures
from nas_search.search.goals import Goals
from nas_search.search.jobs import JsonObject
from nas_search.search.journal_file import snapshot_storage
from nas_search.search.slim import share
from nas_search.search.trial import TrialRecord, TrialState
from nas_search.space.genome import Choice

STUDY_NAME = "nas-search"
PROPOSAL_INDEX, CANDIDATE, OUTCOME, RESULT = "proposal_index", "candidate", "outcome", "result "
FACTS = "facts"

Fate = Literal["train", "over_limit", "duplicate"]


class Candidate(BaseModel):
    """What a proposal came to.

    ``figures`` are predicted, by name, ``over`` the shares by which they miss the limits: at most zero within one.
    ``scored_as`` is the twin that is trained in its place.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    genome: dict[str, Choice]
    architecture: str
    fingerprint: str = Field(pattern=r"^[A-Za-z0-9_-]{0,64}$")  # files and folders are named after it, and removed
    parameters: int
    latency_ms: float
    figures: dict[str, float]
    over: dict[str, float]
    fate: Fate
    duplicate_of: int | None = None
    scored_as: str | None = None

    @property
    def trained_as(self) -> str:
        """The network to train: the architecture, or its twin."""
        return self.scored_as or self.architecture

    def with_figures(self, figures: Mapping[str, float]) -> Candidate:
        """The same with more figures."""
        return self.model_copy(update={"figures": {**self.figures, **figures}})


class Outcome(BaseModel):
    """How a trial ended, as stored.

    ``told_loss`` is the loss that samplers see; None: the trial failed. ``loss_sd`` is the standard deviation of an
    extrapolated loss in bits per byte. ``recalls`` are scores by recall task, where the search asks for any.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    state: TrialState
    told_loss: float | None
    bits_per_byte: float | None = None
    extrapolated: bool = False
    loss_sd: float | None = None
    rung_scores: tuple[float, ...] = ()
    seconds: float = 0.0
    reused: bool = False
    reason: str | None = None
    recalls: dict[str, RecallScore] = Field(default_factory=dict, exclude_if=lambda recalls: not recalls)


class News(NamedTuple):
    """What a driver has not seen yet: trials that others told, those that it has to go on with from now on; and all
    that other drivers are at now, ``left`` of which are dead.
    """

    told: Sequence[FrozenTrial]
    ours: Sequence[FrozenTrial]
    elsewhere: Sequence[FrozenTrial] = ()
    left: int = 0


class StudyJournal:
    """The study of one run, which nobody else writes. Only the driver that holds the run's lock may make one."""

    def __init__(
        self,
        storage: BaseStorage,
        distributions: Mapping[str, CategoricalDistribution],
        goals: Goals,
        name: str = STUDY_NAME,
    ) -> None:
        """Go on with the study called ``name`` in ``storage``, or create it for ``goals``."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._distributions: dict[str, BaseDistribution] = dict(distributions)
        self._goals = goals
        self._storage, self._name = storage, name
        self._study_id = self._create()
        self._read = False

    def _create(self) -> int:
        """The study's id; it is created unless it is there, since asking Optuna for either writes a line each time."""
        try:
            self._storage.get_study_id_from_name(self._name)
        except KeyError:
            optuna.create_study(study_name=self._name, storage=self._storage, directions=self.directions())
        study = optuna.Study(self._name, self._storage, sampler=RandomSampler(seed=0))
        if study.metric_names is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)
                study.set_metric_names([quantity.name for quantity in self._goals.objectives])
        return self._storage.get_study_id_from_name(self._name)

    def directions(self) -> list[StudyDirection]:
        """Of the objectives, in their order."""
        return [
            StudyDirection.MAXIMIZE if quantity.higher_is_better else StudyDirection.MINIMIZE
            for quantity in self._goals.objectives
        ]

    def facts(self) -> dict[str, Any]:
        """What the study was begun with; empty for a new one."""
        return dict(self._storage.get_study_user_attrs(self._study_id).get(FACTS, {}))

    def set_facts(self, facts: Mapping[str, Any]) -> None:
        """Store what the study was begun with."""
        self._storage.set_study_user_attr(self._study_id, FACTS, dict(facts))

    def study(self, sampler: BaseSampler) -> optuna.Study:
        """The study as ``sampler`` sees it, without any cache of earlier proposals."""
        return optuna.Study(self._name, self._storage, sampler=sampler)

    def trials(self) -> list[FrozenTrial]:
        """All trials by number, not copied: not to be changed."""
        return self._storage.get_all_trials(self._study_id, deepcopy=False)

    def news(self, room: int) -> News | None:
        """What the driver has not seen yet, None if there is nothing: here all at once, when it begins.

        Of trials that another driver left it takes over at most ``room``.
        """
        if self._read:
            return None
        self._read = True
        trials = self.trials()
        told = [trial for trial in trials if trial.state.is_finished()]
        for trial in told:
            self._share(trial)
        return News(told, ours=[trial for trial in trials if not trial.state.is_finished()])

    def pause(self) -> None:
        """Wait until there may be news."""

    def create(self, proposal_index: int) -> FrozenTrial:
        """A running trial for a proposal, in one line. Raises ProposalTakenError if another driver was faster."""
        template = create_trial(state=OptunaState.RUNNING, user_attrs={PROPOSAL_INDEX: proposal_index})
        trial_id = self._storage.create_new_trial(self._study_id, template_trial=template)
        return self._storage.get_trial(trial_id)

    def write_candidate(self, trial: FrozenTrial, candidate: Candidate) -> None:
        """Store the candidate of a running trial, and whatever of its parameters and constraints is missing.

        Raises ArchitectureTakenError if it is no duplicate, but another trial has its architecture by now. Raises
        LeaseLostError, like all that follow, if the trial is another driver's.
        """
        if CANDIDATE not in trial.user_attrs:
            self._store_candidate(trial, candidate)
        missing = {name: value for name, value in candidate.genome.items() if name not in trial.params}
        self._store_params(trial, missing)
        if candidate.over:
            self._set_constraints(trial, candidate.over)

    def _store_candidate(self, trial: FrozenTrial, candidate: Candidate) -> None:
        self._storage.set_trial_user_attr(trial._trial_id, CANDIDATE, candidate.model_dump(mode="json"))

    def _store_params(self, trial: FrozenTrial, params: Mapping[str, Choice]) -> None:
        for name, value in params.items():
            distribution = self._distributions[name]
            self._storage.set_trial_param(trial._trial_id, name, distribution.to_internal_repr(value), distribution)

    def keep_result(self, trial: FrozenTrial, job: str, result: JsonObject) -> None:
        """Keep the result of a running trial's job for whoever goes on with it: here the job's own file does."""

    def tell(self, trial: FrozenTrial, candidate: Candidate, outcome: Outcome) -> None:
        """End a running trial. What was not trained on recall is told as if it recalled nothing."""
        stored = outcome.model_dump(mode="json", exclude_defaults=True)
        self._storage.set_trial_user_attr(trial._trial_id, OUTCOME, stored)
        self._end(trial, candidate, outcome)
        self._share(self._storage.get_trial(trial._trial_id))

    def _end(self, trial: FrozenTrial, candidate: Candidate, outcome: Outcome) -> None:
        if outcome.told_loss is None:
            self._storage.set_trial_state_values(trial._trial_id, OptunaState.FAIL)
            return
        nothing = {quantity.name: 0.0 for quantity in self._goals.recalls}
        figures = candidate.figures | nothing | recall_figures(outcome.recalls)
        if nothing:
            self._set_constraints(trial, self._goals.over(figures))
        values = self._goals.values(figures, outcome.told_loss)
        self._storage.set_trial_state_values(trial._trial_id, OptunaState.COMPLETE, values)

    def _share(self, trial: FrozenTrial) -> None:
        """Make a finished trial small in memory; nothing that it says changes."""
        share(trial, self._distributions, trial.user_attrs.get(CANDIDATE))

    def record(self, trial: FrozenTrial) -> TrialRecord:
        """The trial as it is stored now."""
        return record_of(self._storage.get_trial(trial._trial_id))

    def _set_constraints(self, trial: FrozenTrial, over: Mapping[str, float]) -> None:
        """Feasible is <= 0. Optuna's older form, a list, is left out: samplers would count every constraint twice."""
        stored = self._storage.get_trial(trial._trial_id).constraints
        told = optuna.Trial(self.study(RandomSampler(seed=0)), trial._trial_id)
        for name, excess in over.items():
            if name not in stored:
                told.set_constraint(name, excess)


def proposal_index(trial: FrozenTrial) -> int:
    """The proposal that a trial belongs to. Where several drivers make trials it is their number."""
    return int(trial.user_attrs.get(PROPOSAL_INDEX, trial.number))


def kept_results(trial: FrozenTrial) -> dict[str, JsonObject]:
    """Results that the study keeps of a running trial's jobs, by the jobs' names."""
    return {key.removeprefix(RESULT): value for key, value in trial.user_attrs.items() if key.startswith(RESULT)}


def candidate_of(trial: FrozenTrial) -> Candidate | None:
    """The stored candidate, None if a crash came first."""
    stored = trial.user_attrs.get(CANDIDATE)
    try:
        return None if stored is None else Candidate.model_validate(stored)
    except ValidationError as error:
        raise InputError(f"study: trial {trial.number} is damaged ({first_problem(error)})") from None


def loss_sd(trial: FrozenTrial) -> float:
    """The standard deviation in bits per byte of the loss that a trial was told: above zero if it is extrapolated."""
    return float(trial.user_attrs.get(OUTCOME, {}).get("loss_sd") or 0.0)


def recall_of(trial: FrozenTrial) -> dict[str, float]:
    """The mean accuracy of each recall task that a told trial was trained on, by name."""
    stored = trial.user_attrs.get(OUTCOME, {}).get("recalls", {})
    return {task: RecallScore.model_validate(score).mean for task, score in stored.items()}


def record_of(trial: FrozenTrial) -> TrialRecord:
    """A trial with a candidate as a record."""
    candidate = Candidate.model_validate(trial.user_attrs[CANDIDATE])
    finished = trial.state.is_finished()
    stored = trial.user_attrs.get(OUTCOME) if finished else None
    outcome = Outcome.model_validate(stored) if stored else Outcome(state="running", told_loss=None)
    return TrialRecord(
        number=trial.number,
        proposal_index=proposal_index(trial),
        architecture=candidate.architecture,
        fingerprint=candidate.fingerprint,
        state=outcome.state,
        latency_ms=candidate.latency_ms,
        figures=candidate.figures | recall_figures(outcome.recalls),
        parameters=candidate.parameters,
        recalls=outcome.recalls,
        bits_per_byte=outcome.bits_per_byte,
        extrapolated=outcome.extrapolated,
        loss_sd=outcome.loss_sd,
        rung=len(outcome.rung_scores) - 1 if outcome.rung_scores else None,
        rung_scores=outcome.rung_scores,
        seconds=outcome.seconds,
        reused=outcome.reused,
        reason=outcome.reason,
        duplicate_of=candidate.duplicate_of,
        scored_as=candidate.scored_as,
        finished_at=trial.datetime_complete,
    )


def read_study(path: Path) -> tuple[list[FrozenTrial], dict[str, Any]]:
    """All trials of a journal, without parameters, and what its study was begun with; nothing is written to it.

    Both are empty if the study was not begun. Raises InputError if the file is missing or damaged.
    """
    if not path.is_file():
        raise InputError(f"{path}: no study there")
    storage = snapshot_storage(path)
    try:
        study_id = storage.get_study_id_from_name(STUDY_NAME)
    except KeyError:
        return [], {}
    facts = storage.get_study_user_attrs(study_id).get(FACTS, {})
    return storage.get_all_trials(study_id, deepcopy=False), dict(facts)
