"""The last stage: the front of a search is the best of many noisy scores, so its members are looked at again.

Every member is measured end to end on the device, all in turns and with nothing beside it, unless the device is not
here; then it is trained from scratch for longer, with seeds that the search did not use, and on the recall tasks that
are asked for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import TypeAdapter

from nas_search.errors import InputError, RunError
from nas_search.files import write_text_atomic
from nas_search.profiler.measurement import Failure, Measurement, Outcome
from nas_search.profiler.workload import Workload
from nas_search.proxies.recall_result import RecallResult, RecallScore
from nas_search.search.batch import run_jobs
from nas_search.search.config import content_hash
from nas_search.search.executors.base import JobProgress
from nas_search.search.jobs import Job, read_result
from nas_search.search.recall_training import RECALL, RecallTraining, recall_scores
from nas_search.search.sitting import Sitting
from nas_search.search.training import Training
from nas_search.search.trial import Confirmation, SeedScore, TrialRecord

PHASE = "confirm"
CONFIRMATIONS = "confirmations.json"
_DIGEST = "sha256"
_BY_FINGERPRINT = TypeAdapter(dict[str, Confirmation])
_OUTCOMES = TypeAdapter(list[Outcome])
Figures = dict[str, Measurement]
"""What was measured of one member, by workload."""


class ConfirmStage:
    """Confirms members of a front; ``clock`` is that of the latency table, so that figures compare."""

    def __init__(
        self,
        sitting: Sitting,
        training: Training,
        recall: RecallTraining,
        *,
        clock: str,
    ) -> None:
        self.sitting, self.config, self.observer = sitting, sitting.config, sitting.observer
        self.training, self.recall, self.clock = training, recall, clock

    def run(self, members: Sequence[TrialRecord]) -> None:
        """Measure, train, and store the confirmations beside the study."""
        members = sorted(members, key=lambda member: member.number)
        setting = self.sitting.setting
        workloads = setting.workloads if setting.source.measures else ()
        trainings = self.config.confirm_seeds + len(self.recall.tasks) * len(self.recall.seeds)
        self.observer.phase(PHASE, len(workloads) + len(members) * trainings)
        figures = self._measure(members, workloads)
        main = str(setting.workload)
        if setting.source.measures:
            members = [member for member in members if main in figures[member.fingerprint]]
        scores, recalls = self._train(members), self._train_on_recall(members)
        confirmed = {
            member.fingerprint: Confirmation(
                latency=figures[member.fingerprint].pop(main, None),
                figures=figures[member.fingerprint],
                tokens=setting.confirm_tokens,
                scores=scores[member.fingerprint],
                recalls=recalls[member.fingerprint],
            )
            for member in members
            if scores[member.fingerprint]
        }
        write_confirmations(self.training.run_dir, confirmed)

    def _measure(self, members: Sequence[TrialRecord], workloads: Sequence[Workload]) -> dict[str, Figures]:
        """What could be measured, by fingerprint."""
        figures: dict[str, Figures] = {member.fingerprint: {} for member in members}
        architectures = [member.architecture for member in members]
        for workload in workloads:
            outcomes = measure(self.sitting, architectures, workload, self.clock, self._show_progress)
            for member, outcome in zip(members, outcomes, strict=True):
                if isinstance(outcome, Failure):
                    self.observer.note(f"{member.architecture}: {workload} not measured, {outcome.reason}")
                else:
                    figures[member.fingerprint][str(workload)] = outcome
            self.observer.advance(1, f"{workload} measured")
        return figures

    def _train(self, members: Sequence[TrialRecord]) -> dict[str, tuple[SeedScore, ...]]:
        """Scores by fingerprint and seed; a member keeps only the seeds that did not fail."""
        seeds = range(self.config.seed + 1, self.config.seed + 1 + self.config.confirm_seeds)
        jobs = {
            (member.fingerprint, seed): self.training.confirm_job(
                member.trained_as, member.fingerprint, self.sitting.setting.confirm_tokens, seed
            )
            for member in members
            for seed in seeds
        }
        missing = [job for job in jobs.values() if not self._is_trained(job)]
        self.observer.advance(len(jobs) - len(missing))
        reasons = self._run(missing, phase="training", finished=self._trained)
        scores: dict[str, list[SeedScore]] = {member.fingerprint: [] for member in members}
        for (fingerprint, seed), job in jobs.items():
            score = self._score(job, seed, reasons.get(job.name, "no result"))
            scores[fingerprint] += [score] if score else []
        return {fingerprint: tuple(found) for fingerprint, found in scores.items()}

    def _train_on_recall(self, members: Sequence[TrialRecord]) -> dict[str, dict[str, RecallScore]]:
        """Scores by fingerprint and task, of the seeds that did not fail."""
        jobs = {member.fingerprint: self.recall.jobs(member.trained_as, member.fingerprint) for member in members}
        every = [job for some in jobs.values() for job in some]
        missing = [job for job in every if self.recall.result(job) is None]
        self.observer.advance(len(every) - len(missing))
        reasons = self._run(missing, phase=RECALL, finished=self._advance) if missing else {}
        return {
            fingerprint: recall_scores(
                result for job in some if (result := self._recall_result(job, reasons.get(job.name, "no result")))
            )
            for fingerprint, some in jobs.items()
        }

    def _recall_result(self, job: Job, reason: str) -> RecallResult | None:
        result = self.recall.result(job)
        if result is not None and result.accuracy is not None:
            return result
        task, seed = job.arguments["task"], job.arguments["seed"]
        reason = (result.failure if result else None) or reason
        self.observer.note(f"{job.arguments['architecture']} {task} seed {seed}: not confirmed, {reason}")
        return None

    def _run(self, jobs: Sequence[Job], *, phase: str, finished: Callable[[Job], None]) -> dict[str, str]:
        """Do jobs, whose time is counted as ``phase``; returns the reasons of those that failed, by name."""
        with self.sitting.watch.phase(phase):
            failures = run_jobs(self.sitting.executor, jobs, progress=self._show_progress, finished=finished)
        return {name: failure.reason for name, failure in failures.items()}

    def _is_trained(self, job: Job) -> bool:
        """Whether there is a result, and the weights that belong to it."""
        result = self.training.result(job)
        weights = self.training.run_dir / str(job.arguments["weights"])
        return result is not None and (result.bits_per_byte is None or weights.exists())

    def _trained(self, job: Job) -> None:
        self.training.forget(job)
        self._advance(job)

    def _advance(self, job: Job) -> None:
        self.observer.advance(1, str(job.arguments["architecture"]))

    def _score(self, job: Job, seed: int, reason: str) -> SeedScore | None:
        result = self.training.result(job)
        if result is not None and result.bits_per_byte is not None:
            weights = str(job.arguments["weights"])
            return SeedScore(seed=seed, bits_per_byte=result.bits_per_byte, weights=weights)
        reason = (result.failure if result else None) or reason
        self.observer.note(f"{job.arguments['architecture']} seed {seed}: not confirmed, {reason}")
        return None

    def _show_progress(self, event: JobProgress) -> None:
        self.observer.advance(0, f"{event.name} {event.done}/{event.total}")


def measure(
    sitting: Sitting,
    architectures: Sequence[str],
    workload: Workload,
    clock: str,
    progress: Callable[[JobProgress], None] = lambda event: None,
) -> list[Outcome]:
    """Measure networks end to end, alone and in turns; a measurement that was made before is not made again.

    Raises RunError if nothing can be measured at all.
    """
    config = sitting.config
    arguments = {
        "architectures": list(architectures),
        "workload": str(workload),
        "device": config.device,
        "seed": config.seed,
        "clock": clock,
    }
    job = Job(name=f"measure-{content_hash(arguments)}", kind="measure", arguments=arguments, alone=True)
    result = read_result(sitting.run.path, job)
    if result is None:
        with sitting.watch.phase("measuring"):
            failures = run_jobs(sitting.executor, [job], progress=progress)
        if failures:
            raise RunError(f"workload '{workload}' could not be measured: {failures[job.name].reason}")
        result = read_result(sitting.run.path, job)
    if result is None:
        raise RunError(f"{job.name}: the worker says that it is done, but its result cannot be read")
    return _OUTCOMES.validate_python(result["outcomes"])


def write_confirmations(run_dir: Path, confirmed: dict[str, Confirmation]) -> None:
    """Store confirmations by fingerprint, and a digest, without which a changed bit would be another figure."""
    content = _BY_FINGERPRINT.dump_python(confirmed, mode="json")
    write_text_atomic(run_dir / CONFIRMATIONS, json.dumps({**content, _DIGEST: content_hash(content)}) + "\n")


def read_confirmations(run_dir: Path) -> dict[str, Confirmation]:
    """Confirmations by fingerprint; empty before the last stage has ended."""
    path = run_dir / CONFIRMATIONS
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_bytes())
        if content.pop(_DIGEST, None) not in {None, content_hash(content)}:
            raise ValueError
        return _BY_FINGERPRINT.validate_python(content)
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        raise InputError(f"{path}: damaged; remove it, and 'nas-search resume {run_dir}' writes it again") from None
