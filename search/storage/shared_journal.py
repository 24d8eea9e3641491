"""A study that several drivers write, each of them what it has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from time import monotonic, sleep
from typing import Any

from optuna.distributions import CategoricalDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial

from nas_search.errors import RunError
from nas_search.search.goals import Goals
from nas_search.search.jobs import JsonObject
from nas_search.search.journal import CANDIDATE, RESULT, Candidate, News, Outcome, StudyJournal
from nas_search.search.storage.driver import Driver, Holder
from nas_search.search.storage.fenced import FencedStorage
from nas_search.search.taken import LeaseLostError, ProposalTakenError
from nas_search.space.genome import Choice

PAUSE_SECONDS, _TIMES_ITS_COST = 0.25, 10.0
"""The study is looked at so often at the most, and at most in a tenth of the time."""
Adopted = Callable[[FrozenTrial, Holder], None]
"""Hears of a trial that this driver goes on with, and whose it was."""


class SharedJournal(StudyJournal):
    """The journal of one of the drivers. All trials are made by such journals, so that proposal n is trial n.

    ``storage`` keeps finished trials in memory, ``fenced`` is what it writes to.
    """

    def __init__(
        self,
        storage: BaseStorage,
        fenced: FencedStorage,
        driver: Driver,
        distributions: Mapping[str, CategoricalDistribution],
        goals: Goals,
        *,
        adopted: Adopted,
    ) -> None:
        super().__init__(storage, distributions, goals, driver.study)
        self._fenced, self._driver, self._adopted = fenced, driver, adopted
        self._mine: set[int] = set()
        self._told_here: set[int] = set()
        self._unfinished: list[int] = []
        self._known = 0
        self._due = 0.0

    def news(self, room: int) -> News | None:
        """What other drivers did, not too often; trials of dead ones are taken over."""
        began = monotonic()
        if began < self._due:
            return None
        finished, running = self._changed()
        others = [trial for trial in running if trial.number not in self._mine]
        ours, left = self._taken_over(others, room)
        taken = {trial.number for trial in ours}
        news = News(
            told=[trial for trial in finished if trial.number not in self._told_here],
            ours=ours,
            elsewhere=[trial for trial in others if trial.number not in taken],
            left=left,
        )
        self._told_here.clear()
        ended = monotonic()
        self._due = ended + max(PAUSE_SECONDS, _TIMES_ITS_COST * (ended - began))
        return news

    def pause(self) -> None:
        """Until the study may be looked at again."""
        sleep(max(0.0, self._due - monotonic()))

    def create(self, proposal_index: int) -> FrozenTrial:
        """A running trial of this driver."""
        self._fenced.expect(proposal_index)
        try:
            trial_id = self._storage.create_new_trial(self._study_id)
        except ProposalTakenError:
            self._due = 0.0
            raise
        self._mine.add(proposal_index)
        return self._storage.get_trial(trial_id)

    def write_candidate(self, trial: FrozenTrial, candidate: Candidate) -> None:
        """Store a candidate and claim its architecture, in the same moment."""
        with self._while_ours(trial):
            super().write_candidate(trial, candidate)

    def keep_result(self, trial: FrozenTrial, job: str, result: JsonObject) -> None:
        """Keep a result with the trial: no other driver sees this one's run directory."""
        with self._while_ours(trial):
            self._storage.set_trial_user_attr(trial._trial_id, f"{RESULT}{job}", result)

    def tell(self, trial: FrozenTrial, candidate: Candidate, outcome: Outcome) -> None:
        """End a trial, unless it is another driver's by now."""
        # One that is ours and finished was told before: only the answer to that was lost.
        with self._while_ours(trial), suppress(UpdateFinishedTrialError):
            super().tell(trial, candidate, outcome)
        self._mine.discard(trial.number)
        self._told_here.add(trial.number)

    def _store_candidate(self, trial: FrozenTrial, candidate: Candidate) -> None:
        if candidate.duplicate_of is not None:
            super()._store_candidate(trial, candidate)
            return
        value: dict[str, Any] = candidate.model_dump(mode="json")
        self._fenced.set_claimed_attr(trial, self._study_id, candidate.fingerprint, CANDIDATE, value)

    def _store_params(self, trial: FrozenTrial, params: Mapping[str, Choice]) -> None:
        """All at once: a transaction takes as long as some hundred rows."""
        if params:
            self._fenced.set_params(trial._trial_id, params, self._distributions)

    def _changed(self) -> tuple[list[FrozenTrial], list[FrozenTrial]]:
        """Trials that ended since the last time, and those that run."""
        trials = self.trials()
        changed = [*(trials[number] for number in self._unfinished), *trials[self._known :]]
        finished = [trial for trial in changed if trial.state.is_finished()]
        running = [trial for trial in changed if not trial.state.is_finished()]
        self._unfinished, self._known = [trial.number for trial in running], len(trials)
        return finished, running

    def _taken_over(self, others: Sequence[FrozenTrial], room: int) -> tuple[list[FrozenTrial], int]:
        """Its own that it does not know of, and dead ones as far as there is room; how many of these are left."""
        ours: list[FrozenTrial] = []
        left = 0
        if others:
            self._driver.bury_the_gone()
        holders = self._driver.holders([trial._trial_id for trial in others])
        for trial in others:
            holder = holders.get(trial._trial_id)
            if holder is None:
                raise RunError(
                    f"study '{self._name}': trial {trial.number} is no driver's, another program made it and nobody "
                    f"will end it; end it there (as failed), then run the same again"
                )
            if holder.is_dead and len(ours) >= room:
                left += 1
            elif holder.key == self._driver.key or (holder.is_dead and self._driver.adopt(trial._trial_id)):
                ours += self._taken(trial, holder)
        return ours, left

    def _taken(self, trial: FrozenTrial, holder: Holder) -> list[FrozenTrial]:
        """The trial as it is now; none if its former driver told it at the last moment."""
        now = self._storage.get_trial(trial._trial_id)
        if now.state.is_finished():
            return []
        self._mine.add(now.number)
        self._adopted(now, holder)
        return [now]

    @contextmanager
    def _while_ours(self, trial: FrozenTrial) -> Iterator[None]:
        try:
            yield
        except LeaseLostError:
            self._mine.discard(trial.number)
            raise
