"""The search proper: propose, train rung by rung, tell, until there is enough.

With W workers a deterministic search asks for proposal n right after it told proposal n - W, and tells in the
order of proposals; so n sees exactly proposals 0 to n - W, whoever finishes first. With one worker every search is
like that. What is in memory here is only a view: a new loop on the same study goes on from the same place.

Where jobs run, what they cost and what time it is are others' business: a simulation is this loop with another
executor, clock and training.
"""

from __future__ import annotations

from optuna.trial import FrozenTrial

from nas_search.errors import RunError
from nas_search.search.config import SearchConfig
from nas_search.search.events import Log, Observer, Stopwatch
from nas_search.search.executors.base import Executor, JobFinished, JobProgress
from nas_search.search.jobs import Job
from nas_search.search.journal import Candidate, Outcome, StudyJournal, candidate_of
from nas_search.search.ledger import Active, Ledger
from nas_search.search.promoter import Promoter
from nas_search.search.proposer import Proposes
from nas_search.search.training import RungTraining
from nas_search.search.trial import TrialRecord

_WAIT_SECONDS = 0.5


class SearchLoop:
    """The search of one sitting."""

    def __init__(
        self,
        config: SearchConfig,
        journal: StudyJournal,
        proposer: Proposes,
        training: RungTraining,
        *,
        executor: Executor,
        observer: Observer,
        log: Log,
        watch: Stopwatch,
    ) -> None:
        self.config, self.journal, self.proposer, self.training = config, journal, proposer, training
        self.executor, self.observer, self.log, self.watch = executor, observer, log, watch
        self.goals, self.penalty_loss = proposer.problem.goals, proposer.problem.penalty_loss
        self.ledger = Ledger(in_order=config.deterministic)
        self._promoter = Promoter(proposer.problem, training.ladder, config)
        self._at_work: dict[str, Active] = {}

    def run(self) -> None:
        """Search until one of the limits is reached and every trial is told."""
        self._pick_up()
        acts = (self._propose, self._tell) if self.config.deterministic else (self._tell, self._propose)
        while any(act() for act in acts) or self._wait():
            pass

    def _pick_up(self) -> None:
        """Load what earlier sittings did; trials that were running go on."""
        trials = self.journal.trials()
        for trial in trials:
            candidate = candidate_of(trial)
            if trial.state.is_finished() and candidate is not None:
                record = self.journal.record(trial)
                self.ledger.add_told(record)
                self._promoter.told(candidate, record.rung_scores)
        for trial in trials:
            if not trial.state.is_finished():
                self._begin(trial, candidate_of(trial) or self._sample(trial))
        self.observer.advance(self.ledger.trained)

    def _propose(self) -> bool:
        """Begin the next proposal, if there is room for one."""
        if not self._may_propose():
            return False
        with self.watch.sampling(working=self.ledger.undecided / self.config.worker_count):
            trial = self.journal.create(self.ledger.proposals)
            candidate = self._sample(trial)
        self._begin(trial, candidate)
        return True

    def _may_propose(self) -> bool:
        config, ledger = self.config, self.ledger
        if ledger.trained + ledger.training >= config.trials or ledger.exhausted or self._out_of_time():
            return False
        if config.proposals is not None and ledger.proposals >= config.proposals:
            return False
        waiting = len(ledger.active) if config.deterministic else ledger.undecided
        return waiting < config.worker_count

    def _out_of_time(self) -> bool:
        return self.config.hours is not None and self.watch.total_seconds > 3600 * self.config.hours

    def _sample(self, trial: FrozenTrial) -> Candidate:
        return self.proposer.propose(self.journal, trial, self.ledger.seen)

    def _begin(self, trial: FrozenTrial, candidate: Candidate) -> None:
        self.journal.write_candidate(trial, candidate)
        self.log.append("proposal", number=trial.number, architecture=candidate.architecture, fate=candidate.fate)
        active = Active(trial, candidate)
        self.ledger.begin(active)
        if candidate.fate == "over_limit":
            self.ledger.settle(active, Outcome(state="over_limit", told_loss=self.penalty_loss))
        elif candidate.fate == "train":
            self._train_on(active)
        elif candidate.duplicate_of in self.ledger.told:
            self._repeat(active, self.ledger.told[candidate.duplicate_of])

    def _train_on(self, active: Active) -> None:
        """Take results that are there; then decide, or have the next rung trained."""
        while active.outcome is None:
            job = self._job(active, len(active.rungs))
            result = self.training.result(job)
            if result is None:
                active.job = job
                self._at_work[job.name] = active
                self.executor.submit(job)
                return
            active.rungs.append(result)
            outcome = self._decide(active)
            if outcome is not None:
                self.ledger.settle(active, outcome)

    def _job(self, active: Active, rung: int) -> Job:
        candidate = active.candidate
        return self.training.rung_job(candidate.trained_as, candidate.fingerprint, rung, self.config.seed)

    def _decide(self, active: Active) -> Outcome | None:
        """The outcome after a rung, None if the candidate goes up."""
        last = active.rungs[-1]
        if last.failure is not None or last.bits_per_byte is None:
            return _failed(active, last.failure or "no loss")
        if len(active.rungs) - 1 == self.training.ladder.top:
            return _scored(active, last.bits_per_byte)
        forecast = self._promoter.stop(active.candidate, active.losses, active.index)
        return None if forecast is None else _scored(active, forecast.loss, forecast.sd)

    def _repeat(self, active: Active, first: TrialRecord) -> None:
        """A duplicate has the outcome of what it repeats."""
        if first.state == "failed":
            outcome = Outcome(state="duplicate", told_loss=None, reason=f"trial {first.number} failed: {first.reason}")
        else:
            loss = first.bits_per_byte
            outcome = Outcome(
                state="duplicate",
                told_loss=self.penalty_loss if loss is None else loss,
                bits_per_byte=loss,
                extrapolated=first.extrapolated,
                loss_sd=first.loss_sd,
            )
        self.ledger.settle(active, outcome)

    def _tell(self) -> bool:
        """Tell one trial whose outcome is known, in a deterministic search only the oldest of all."""
        active = self.ledger.next_to_tell()
        if active is None or active.outcome is None:
            return False
        self.journal.tell(active.trial, active.candidate, active.outcome)
        record = self.journal.record(active.trial)
        self._promoter.told(active.candidate, active.losses)
        if active.candidate.fate == "train":
            self.training.forget(self._job(active, 0))
        self.log.append("trial", **record.model_dump(mode="json", exclude_none=True))
        self.observer.trial(record)
        self.observer.advance(1 if record.trained_here else 0, record.architecture)
        for duplicate in self.ledger.end(active, record):
            self._repeat(duplicate, record)
        return True

    def _wait(self) -> bool:
        """Wait for workers; False if there is nothing to wait for."""
        if not self.ledger.active:
            return False
        with self.watch.phase("training"):
            events = self.executor.wait(_WAIT_SECONDS)
        for event in events:
            active = self._at_work.get(event.name)
            if active is None:
                continue
            if isinstance(event, JobProgress):
                self.observer.advance(0, f"{active.candidate.architecture} {event.done}/{event.total} tokens")
            else:
                del self._at_work[event.name]
                self._job_ended(active, event)
        return True

    def _job_ended(self, active: Active, event: JobFinished) -> None:
        if event.failure is not None:
            event.failure.raise_unless_its_own()
            self.ledger.settle(active, _failed(active, event.failure.reason))
        elif active.job is None or self.training.result(active.job) is None:
            raise RunError(f"{event.name}: the worker says that it is done, but its result cannot be read")
        else:
            self._train_on(active)


def _scored(active: Active, loss: float, extrapolated_with_sd: float | None = None) -> Outcome:
    return Outcome(
        state="complete" if extrapolated_with_sd is None else "stopped",
        told_loss=loss,
        bits_per_byte=loss,
        extrapolated=extrapolated_with_sd is not None,
        loss_sd=extrapolated_with_sd,
        rung_scores=active.losses,
        seconds=active.seconds,
        reused=active.reused,
    )


def _failed(active: Active, reason: str) -> Outcome:
    return Outcome(
        state="failed",
        told_loss=None,
        rung_scores=active.losses,
        seconds=active.seconds,
        reason=reason,
    )
