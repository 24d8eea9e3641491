"""The search proper: propose, train rung by rung, tell, until there is enough.

With W workers a deterministic search asks for proposal n right after it told proposal n - W, and tells in the
order of proposals; so n sees exactly proposals 0 to n - W, whoever finishes first. With one worker every search is
like that. What is in memory here is only a view: a new loop on the same study goes on from the same place. Other
drivers may be at the same study: the journal tells what they do, and whose everything is.

Where jobs run, what they cost and what time it is are others' business: a simulation is this loop with another
executor, clock and training.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from optuna.trial import FrozenTrial

from nas_search.errors import RunError
from nas_search.proxies.recall_result import RecallResult
from nas_search.proxies.rung_result import RungResult
from nas_search.search.config import SearchConfig
from nas_search.search.events import Log, Observer, Stopwatch
from nas_search.search.executors.base import Executor, JobFinished, JobProgress
from nas_search.search.jobs import Job
from nas_search.search.journal import (
    Candidate,
    Outcome,
    StudyJournal,
    candidate_of,
    kept_results,
    proposal_index,
    record_of,
)
from nas_search.search.ledger import Active, Ending, Ledger
from nas_search.search.promoter import Promoter
from nas_search.search.proposer import Proposes
from nas_search.search.recall_training import RECALL, RecallTraining
from nas_search.search.taken import ArchitectureTakenError, LeaseLostError, ProposalTakenError
from nas_search.search.training import RungTraining

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
        recall: RecallTraining | None = None,
    ) -> None:
        """Without ``recall`` no candidate is trained on recall tasks."""
        self.recall = recall
        self.config, self.journal, self.proposer, self.training = config, journal, proposer, training
        self.executor, self.observer, self.log, self.watch = executor, observer, log, watch
        self.goals, self.penalty_loss = proposer.problem.goals, proposer.problem.penalty_loss
        self.ledger = Ledger(in_order=config.deterministic)
        self._promoter = Promoter(proposer.problem, training.ladder, config)
        self._at_work: dict[str, Active] = {}

    def run(self) -> None:
        """Search until one of the limits is reached and every trial is told."""
        self._look_around()
        acts = (self._propose, self._tell) if self.config.deterministic else (self._tell, self._propose)
        while any(act() for act in acts) or self._wait():
            self._look_around()

    def _look_around(self) -> None:
        """Take in what others did, earlier sittings and other drivers; trials that nobody is at any more go on here."""
        news = self.journal.news(room=self.config.worker_count - len(self._at_work))
        if news is None:
            return
        before = self.ledger.trained
        self.ledger.look_elsewhere({trial.number: candidate_of(trial) for trial in news.elsewhere})
        self.ledger.left = news.left
        for trial in news.told:
            self._learn(trial)
        for trial in news.ours:
            self._begin(trial)
        self.observer.advance(self.ledger.trained - before)

    def _learn(self, trial: FrozenTrial) -> None:
        """A trial was told by others; if it was this driver's, that was believed dead meanwhile."""
        lost = self.ledger.active.get(proposal_index(trial))
        if lost is not None:
            self._let_go(lost)
        candidate = candidate_of(trial)
        if candidate is None:
            self.ledger.empty += 1
            return
        record = record_of(trial)
        self._promoter.told(candidate.with_figures(record.figures), record.rung_scores)
        for duplicate in self.ledger.add_told(record):
            self._repeat(duplicate, self.ledger.told[record.number])

    def _propose(self) -> bool:
        """Begin the next proposal, if there is room for one."""
        if not self._may_propose():
            return False
        with self.watch.sampling(working=self.ledger.undecided / self.config.worker_count):
            try:
                trial = self.journal.create(self.ledger.proposals)
            except ProposalTakenError:
                return True
            candidate = self._candidate(trial)
        if candidate is not None:
            self._go_on(trial, candidate)
        return True

    def _may_propose(self) -> bool:
        config, ledger = self.config, self.ledger
        if ledger.left or ledger.exhausted or self._out_of_time():
            return False
        if ledger.trained + ledger.training >= config.trials:
            return False
        if config.proposals is not None and ledger.proposals >= config.proposals:
            return False
        waiting = len(ledger.active) if config.deterministic else ledger.undecided
        return waiting < config.worker_count

    def _out_of_time(self) -> bool:
        return self.config.hours is not None and self.watch.total_seconds > 3600 * self.config.hours

    def _candidate(self, trial: FrozenTrial) -> Candidate | None:
        """The candidate of a trial, stored as it is or proposed now; None if the trial is another driver's by now."""
        while True:
            candidate = candidate_of(trial) or self.proposer.propose(self.journal, trial, self.ledger.seen)
            try:
                self.journal.write_candidate(trial, candidate)
            except ArchitectureTakenError as taken:
                self.ledger.seen[candidate.fingerprint] = taken.number
            except LeaseLostError:
                return None
            else:
                return candidate

    def _begin(self, trial: FrozenTrial) -> None:
        candidate = self._candidate(trial)
        if candidate is not None:
            self._go_on(trial, candidate)

    def _go_on(self, trial: FrozenTrial, candidate: Candidate) -> None:
        self.log.append("proposal", number=trial.number, architecture=candidate.architecture, fate=candidate.fate)
        active = Active(trial, candidate, kept=kept_results(trial))
        self.ledger.begin(active)
        if candidate.fate == "over_limit":
            self.ledger.settle(active, Outcome(state="over_limit", told_loss=self.penalty_loss))
        elif candidate.fate == "train":
            with self._unless_lost(active):
                self._train_on(active)
        elif candidate.duplicate_of in self.ledger.told:
            self._repeat(active, self.ledger.told[candidate.duplicate_of])

    def _train_on(self, active: Active) -> None:
        """Take results that are there; then decide, or have the next training done: on recall first, then rungs."""
        while active.outcome is None:
            recalls = self._recall_jobs(active)
            job = (recalls or [self._job(active, len(active.rungs))])[0]
            result = self._kept(active, job) or self._result(job)
            if result is None:
                active.job = job
                self._at_work[job.name] = active
                self.executor.submit(job)
                return
            if isinstance(result, RecallResult):
                active.recalled.append(result)
                outcome = self._decide_on_recall(active, result, last=len(recalls) == 1)
            else:
                active.rungs.append(result)
                outcome = self._decide(active)
            if outcome is not None:
                self.ledger.settle(active, outcome)
            elif job.name not in active.kept:
                self.journal.keep_result(active.trial, job.name, result.model_dump(mode="json", exclude={"curve"}))

    @contextmanager
    def _unless_lost(self, active: Active) -> Iterator[None]:
        """What is inside stops at once if the trial is another driver's by now, and this one lets go of it."""
        try:
            yield
        except LeaseLostError:
            self._let_go(active)

    def _let_go(self, active: Active) -> None:
        """A trial is another driver's by now."""
        self.ledger.drop(active)
        if active.job is not None:
            self._at_work.pop(active.job.name, None)
        self.log.append("lost", number=active.trial.number)

    def _kept(self, active: Active, job: Job) -> RungResult | RecallResult | None:
        """The result of a job that another driver had done."""
        stored = active.kept.get(job.name)
        if stored is None:
            return None
        form: type[RungResult | RecallResult] = RecallResult if job.kind == RECALL else RungResult
        return form.model_validate({"curve": [], **stored} if form is RungResult else stored)

    def _recall_jobs(self, active: Active) -> list[Job]:
        """What is left of them."""
        candidate = active.candidate
        jobs = self.recall.jobs(candidate.trained_as, candidate.fingerprint) if self.recall else []
        return jobs[len(active.recalled) :]

    def _result(self, job: Job) -> RungResult | RecallResult | None:
        if job.kind == RECALL and self.recall is not None:
            return self.recall.result(job)
        return self.training.result(job)

    def _job(self, active: Active, rung: int) -> Job:
        candidate = active.candidate
        return self.training.rung_job(candidate.trained_as, candidate.fingerprint, rung, self.config.seed)

    def _decide_on_recall(self, active: Active, result: RecallResult, *, last: bool) -> Outcome | None:
        """The outcome of what failed or, after the last training on recall, misses a limit; None for all else."""
        if result.accuracy is None:
            return _failed(active, result.failure or "no accuracy")
        if not last or not self.goals.excess(active.known.figures):
            return None
        return _below_limit(active, self.penalty_loss)

    def _decide(self, active: Active) -> Outcome | None:
        """The outcome after a rung, None if the candidate goes up."""
        last = active.rungs[-1]
        if last.failure is not None or last.bits_per_byte is None:
            return _failed(active, last.failure or "no loss")
        if len(active.rungs) - 1 == self.training.ladder.top:
            return _scored(active, last.bits_per_byte)
        forecast = self._promoter.stop(active.known, active.losses, active.index)
        return None if forecast is None else _scored(active, forecast.loss, forecast.sd)

    def _repeat(self, active: Active, first: Ending) -> None:
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
                recalls=dict(first.recalls),
            )
        self.ledger.settle(active, outcome)

    def _tell(self) -> bool:
        """Tell one trial whose outcome is known, in a deterministic search only the oldest of all."""
        active = self.ledger.next_to_tell()
        if active is None or active.outcome is None:
            return False
        with self._unless_lost(active):
            self._tell_now(active, active.outcome)
        return True

    def _tell_now(self, active: Active, outcome: Outcome) -> None:
        self.journal.tell(active.trial, active.candidate, outcome)
        record = self.journal.record(active.trial)
        self._promoter.told(active.known, active.losses)
        if active.candidate.fate == "train":
            self.training.forget(self._job(active, 0))
        self.log.append("trial", **record.model_dump(mode="json", exclude_none=True))
        self.observer.trial(record)
        self.observer.advance(1 if record.trained_here else 0, record.architecture)
        for duplicate in self.ledger.end(active, record):
            self._repeat(duplicate, self.ledger.told[record.number])

    def _wait(self) -> bool:
        """Wait for workers, or else for other drivers; False if there is nothing to wait for."""
        if not self._at_work:
            return self._wait_for_others()
        with self.watch.phase("training"), self.watch.partly(RECALL, self._share_on_recall()):
            events = self.executor.wait(_WAIT_SECONDS)
        for event in events:
            active = self._at_work.get(event.name)
            if active is None:
                continue
            if isinstance(event, JobProgress):
                unit = "steps of recall" if active.job is not None and active.job.kind == RECALL else "tokens"
                self.observer.advance(0, f"{active.candidate.architecture} {event.done}/{event.total} {unit}")
            else:
                del self._at_work[event.name]
                self._job_ended(active, event)
        return True

    def _wait_for_others(self) -> bool:
        """They may find that a candidate does not count, or die; and a duplicate may wait for what it repeats."""
        ledger = self.ledger
        if not ledger.active and (not ledger.elsewhere or (self._out_of_time() and not ledger.left)):
            return False
        with self.watch.phase("training"):
            self.journal.pause()
        return True

    def _share_on_recall(self) -> float:
        """Of the jobs that were given to workers. Not counted where there are none: it takes a look at all of them."""
        if self.recall is None or not self.recall.tasks:
            return 0.0
        kinds = [active.job.kind for active in self._at_work.values() if active.job is not None]
        return kinds.count(RECALL) / len(kinds) if kinds else 0.0

    def _job_ended(self, active: Active, event: JobFinished) -> None:
        if event.failure is not None:
            event.failure.raise_unless_its_own()
            self.ledger.settle(active, _failed(active, event.failure.reason))
        elif active.job is None or self._result(active.job) is None:
            raise RunError(f"{event.name}: the worker says that it is done, but its result cannot be read")
        else:
            with self._unless_lost(active):
                self._train_on(active)


def _scored(active: Active, loss: float, extrapolated_with_sd: float | None = None) -> Outcome:
    return _outcome(
        active,
        state="complete" if extrapolated_with_sd is None else "stopped",
        told_loss=loss,
        bits_per_byte=loss,
        extrapolated=extrapolated_with_sd is not None,
        loss_sd=extrapolated_with_sd,
        reused=active.reused,
    )


def _below_limit(active: Active, penalty_loss: float) -> Outcome:
    return _outcome(active, state="below_limit", told_loss=penalty_loss, reused=active.reused)


def _failed(active: Active, reason: str) -> Outcome:
    return _outcome(active, state="failed", told_loss=None, reason=reason)


def _outcome(active: Active, **ending: Any) -> Outcome:
    """With whatever the trial has done so far."""
    return Outcome(rung_scores=active.losses, seconds=active.seconds, recalls=active.recalls, **ending)
