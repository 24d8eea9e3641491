"""The search proper: propose, train rung by rung, tell, until there is enough.

With W workers a deterministic search asks for proposal n right after it told proposal n - W, and tells in the
order of proposals; so n sees exactly proposals 0 to n - W, whoever finishes first. With one worker every search is
like that. What is in memory here is only a view: a new loop on the same files goes on from the same place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from optuna.trial import FrozenTrial

from nas_search.errors import RunError
from nas_search.proxies.rung_result import RungResult
from nas_search.search.executors.base import JobFinished, JobProgress
from nas_search.search.jobs import Job
from nas_search.search.journal import Candidate, Outcome, StudyJournal, candidate_of, proposal_index
from nas_search.search.proposer import Proposer
from nas_search.search.rungs import Standing
from nas_search.search.samplers.factory import make_sampler
from nas_search.search.sitting import Sitting
from nas_search.search.training import Training
from nas_search.search.trial import TrialRecord

EXHAUSTED_AFTER = 20
"""So many duplicates in a row, each mutated in vain, mean that the sampler has nothing new to propose."""
_WAIT_SECONDS = 0.5


@dataclass
class Active:
    """A running trial: its candidate, the rungs it has done, and its outcome once that is known."""

    trial: FrozenTrial
    candidate: Candidate
    rungs: list[RungResult] = field(default_factory=list)
    job: Job | None = None
    outcome: Outcome | None = None

    @property
    def index(self) -> int:
        """Its proposal."""
        return proposal_index(self.trial)

    @property
    def losses(self) -> tuple[float, ...]:
        """Bits per byte at the rungs that it has done."""
        return tuple(rung.bits_per_byte for rung in self.rungs if rung.bits_per_byte is not None)

    @property
    def seconds(self) -> float:
        """Seconds of training so far."""
        return sum(rung.seconds for rung in self.rungs)


class SearchLoop:
    """The search of one sitting."""

    def __init__(
        self,
        sitting: Sitting,
        journal: StudyJournal,
        proposer: Proposer,
        training: Training,
    ) -> None:
        self.config, self.journal, self.proposer, self.training = sitting.config, journal, proposer, training
        self.goals = proposer.problem.goals
        self.executor, self.observer = sitting.executor, sitting.observer
        self.log, self.watch = sitting.log, sitting.watch
        self.penalty_loss = proposer.problem.penalty_loss
        self.told: dict[int, TrialRecord] = {}
        self.active: dict[int, Active] = {}

    def run(self) -> None:
        """Search until one of the limits is reached and every trial is told."""
        self._pick_up()
        acts = (self._propose, self._tell) if self.config.deterministic else (self._tell, self._propose)
        while any(act() for act in acts) or self._wait():
            pass

    def _pick_up(self) -> None:
        """Load what earlier sittings did; trials that were running go on."""
        for trial in self.journal.trials():
            if trial.state.is_finished():
                record = self.journal.record(trial)
                self.told[record.proposal_index] = record
        for trial in self.journal.trials():
            if not trial.state.is_finished():
                self._begin(trial, candidate_of(trial) or self._sample(trial))
        self.observer.advance(sum(record.trained for record in self.told.values()))

    def _propose(self) -> bool:
        """Begin the next proposal, if there is room for one."""
        if not self._may_propose():
            return False
        with self.watch.sampling(working=len(self._undecided()) / self.config.worker_count):
            trial = self.journal.create(len(self.told) + len(self.active))
            candidate = self._sample(trial)
        self._begin(trial, candidate)
        return True

    def _may_propose(self) -> bool:
        index = len(self.told) + len(self.active)
        trained = sum(record.trained for record in self.told.values())
        training = sum(active.candidate.fate == "train" for active in self.active.values())
        if trained + training >= self.config.trials or index >= (self.config.proposals or index + 1):
            return False
        if self._exhausted() or self._out_of_time():
            return False
        waiting = self.active.values() if self.config.deterministic else self._undecided()
        return len(waiting) < self.config.worker_count

    def _exhausted(self) -> bool:
        last = [self.told[index].state for index in sorted(self.told)[-EXHAUSTED_AFTER:]]
        return len(last) == EXHAUSTED_AFTER and set(last) == {"duplicate"}

    def _out_of_time(self) -> bool:
        return self.config.hours is not None and self.watch.total_seconds > 3600 * self.config.hours

    def _undecided(self) -> list[Active]:
        return [active for active in self.active.values() if active.outcome is None]

    def _sample(self, trial: FrozenTrial) -> Candidate:
        index = proposal_index(trial)
        sampler = make_sampler(
            self.config.sampler,
            self.proposer.problem,
            self.config.sampler_options,
            seed=self.config.seed,
            proposal_index=index,
        )
        return self.proposer.propose(self.journal.study(sampler), trial, index, self._seen(index))

    def _seen(self, index: int) -> Mapping[str, int]:
        """Numbers of earlier trials by fingerprint; duplicates stand behind what they repeat."""
        earlier = {record.fingerprint: record for record in self.told.values() if record.duplicate_of is None}
        seen = {fingerprint: record.number for fingerprint, record in earlier.items() if record.proposal_index < index}
        running = (active for active in self.active.values() if active.index < index)
        return seen | {
            active.candidate.fingerprint: active.trial.number
            for active in running
            if active.candidate.duplicate_of is None
        }

    def _begin(self, trial: FrozenTrial, candidate: Candidate) -> None:
        self.journal.write_candidate(trial, candidate)
        self.log.append("proposal", number=trial.number, architecture=candidate.architecture, fate=candidate.fate)
        active = Active(trial, candidate)
        self.active[active.index] = active
        if candidate.fate == "over_limit":
            active.outcome = Outcome(state="over_limit", told_loss=self.penalty_loss)
        elif candidate.fate == "train":
            self._train_on(active)

    def _train_on(self, active: Active) -> None:
        """Take results that are there; then decide, or have the next rung trained."""
        while active.outcome is None:
            rung = len(active.rungs)
            job = self._job(active, rung)
            result = self.training.result(job)
            if result is None:
                active.job = job
                self.executor.submit(job)
                return
            active.rungs.append(result)
            active.outcome = self._decide(active)

    def _job(self, active: Active, rung: int) -> Job:
        candidate = active.candidate
        return self.training.rung_job(candidate.trained_as, candidate.fingerprint, rung, self.config.seed)

    def _decide(self, active: Active) -> Outcome | None:
        """The outcome after a rung, None if the candidate goes up."""
        last = active.rungs[-1]
        if last.failure is not None or last.bits_per_byte is None:
            return self._failed(active, last.failure or "no loss")
        ladder, standing, rivals = self.training.ladder, self._standing(active), self._rivals(active)
        if len(active.rungs) - 1 == ladder.top:
            loss = last.bits_per_byte
            return self._scored(active, "complete", loss)
        if ladder.goes_up(standing, rivals, seed=self.config.seed, proposal_index=active.index):
            return None
        return self._scored(active, "stopped", ladder.extrapolate(standing, rivals))

    def _rivals(self, active: Active) -> list[Standing]:
        """The trials that a decision may look at; in a deterministic search those told before it was proposed."""
        told = [record for record in self.told.values() if record.trained]
        others = [self._standing(other) for other in self.active.values() if other is not active]
        if self.config.deterministic:
            last = active.index - self.config.worker_count
            told, others = [record for record in told if record.proposal_index <= last], []
        return [self.goals.standing(record.figures, record.rung_scores) for record in told] + others

    def _standing(self, active: Active) -> Standing:
        return self.goals.standing(active.candidate.figures, active.losses)

    def _scored(self, active: Active, state: str, loss: float) -> Outcome:
        return Outcome.model_validate(
            {
                "state": state,
                "told_loss": loss,
                "bits_per_byte": loss,
                "extrapolated": state == "stopped",
                "rung_scores": active.losses,
                "seconds": active.seconds,
            }
        )

    def _failed(self, active: Active, reason: str) -> Outcome:
        return Outcome(
            state="failed",
            told_loss=None,
            rung_scores=active.losses,
            seconds=active.seconds,
            reason=reason,
        )

    def _tell(self) -> bool:
        """Tell one trial whose outcome is known, in a deterministic search only the oldest of all."""
        order = sorted(self.active)[:1] if self.config.deterministic else sorted(self.active)
        for index in order:
            active = self.active[index]
            outcome = active.outcome or self._outcome_of_duplicate(active)
            if outcome is not None:
                self._finish(active, outcome)
                return True
        return False

    def _outcome_of_duplicate(self, active: Active) -> Outcome | None:
        first = next((record for record in self.told.values() if record.number == active.candidate.duplicate_of), None)
        if first is None:
            return None
        if first.state == "failed":
            return Outcome(state="duplicate", told_loss=None, reason=f"trial {first.number} failed: {first.reason}")
        loss = self.penalty_loss if first.bits_per_byte is None else first.bits_per_byte
        return Outcome(
            state="duplicate", told_loss=loss, bits_per_byte=first.bits_per_byte, extrapolated=first.extrapolated
        )

    def _finish(self, active: Active, outcome: Outcome) -> None:
        self.journal.tell(active.trial, active.candidate, outcome)
        record = self.journal.record(active.trial)
        self.told[active.index] = record
        del self.active[active.index]
        if active.job is not None or active.rungs:
            self.training.forget(self._job(active, 0))
        self.log.append("trial", **record.model_dump(mode="json", exclude_none=True))
        self.observer.trial(record)
        self.observer.advance(1 if record.trained else 0, record.architecture)

    def _wait(self) -> bool:
        """Wait for workers; False if there is nothing to wait for."""
        if not self.active:
            return False
        with self.watch.phase("training"):
            events = self.executor.wait(_WAIT_SECONDS)
        for event in events:
            active = next((one for one in self.active.values() if one.job and one.job.name == event.name), None)
            if active is None:
                continue
            if isinstance(event, JobProgress):
                self.observer.advance(0, f"{active.candidate.architecture} {event.done}/{event.total} tokens")
            else:
                self._job_ended(active, event)
        return True

    def _job_ended(self, active: Active, event: JobFinished) -> None:
        if event.failure is not None:
            event.failure.raise_unless_its_own()
            active.outcome = self._failed(active, event.failure.reason)
        elif active.job is None or self.training.result(active.job) is None:
            raise RunError(f"{event.name}: the worker says that it is done, but its result cannot be read")
        else:
            self._train_on(active)
