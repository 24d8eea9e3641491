"""The last stage: the front of a search is the best of many noisy scores, so its members are looked at again.

Every member is measured end to end on the device, all in turns and with nothing beside it; then it is trained from
scratch for longer, with seeds that the search did not use.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from nas_search.errors import InputError, RunError
from nas_search.files import write_text_atomic
from nas_search.profiler.measurement import Measurement
from nas_search.search.batch import run_jobs
from nas_search.search.config import content_hash
from nas_search.search.executors.base import JobProgress
from nas_search.search.jobs import Job, read_result
from nas_search.search.sitting import Sitting
from nas_search.search.training import Training
from nas_search.search.trial import Confirmation, SeedScore, TrialRecord

PHASE = "confirm"
CONFIRMATIONS = "confirmations.json"
_BY_FINGERPRINT = TypeAdapter(dict[str, Confirmation])


class ConfirmStage:
    """Confirms members of a front; ``clock`` is that of the latency table, so that figures compare."""

    def __init__(
        self,
        sitting: Sitting,
        training: Training,
        *,
        clock: str,
    ) -> None:
        self.sitting, self.config, self.observer = sitting, sitting.config, sitting.observer
        self.training, self.clock = training, clock

    def run(self, members: Sequence[TrialRecord]) -> None:
        """Measure, train, and store the confirmations beside the study."""
        members = sorted(members, key=lambda member: member.number)
        self.observer.phase(PHASE, 1 + len(members) * self.config.confirm_seeds)
        latencies = self._measure(members)
        self.observer.advance(1, "latencies measured")
        scores = self._train(members)
        tokens = self.sitting.setting.confirm_tokens
        confirmed = {
            member.fingerprint: Confirmation(latency=latency, tokens=tokens, scores=scores[member.fingerprint])
            for member, latency in zip(members, latencies, strict=True)
            if scores[member.fingerprint]
        }
        write_confirmations(self.training.run_dir, confirmed)

    def _measure(self, members: Sequence[TrialRecord]) -> list[Measurement]:
        architectures = [member.architecture for member in members]
        return measure(self.sitting, architectures, self.clock, self._show_progress)

    def _train(self, members: Sequence[TrialRecord]) -> dict[str, tuple[SeedScore, ...]]:
        """Scores by fingerprint and seed; a member keeps only the seeds that did not fail."""
        seeds = range(self.config.seed + 1, self.config.seed + 1 + self.config.confirm_seeds)
        jobs = {
            (member.fingerprint, seed): self.training.confirm_job(
                member.architecture, member.fingerprint, self.sitting.setting.confirm_tokens, seed
            )
            for member in members
            for seed in seeds
        }
        missing = [job for job in jobs.values() if self.training.result(job) is None]
        self.observer.advance(len(jobs) - len(missing))
        with self.sitting.watch.phase("training"):
            failures = run_jobs(self.sitting.executor, missing, progress=self._show_progress, finished=self._trained)
        reasons = {name: failure.reason for name, failure in failures.items()}
        scores: dict[str, list[SeedScore]] = {member.fingerprint: [] for member in members}
        for (fingerprint, seed), job in jobs.items():
            score = self._score(job, seed, reasons.get(job.name, "no result"))
            scores[fingerprint] += [score] if score else []
        return {fingerprint: tuple(found) for fingerprint, found in scores.items()}

    def _trained(self, job: Job) -> None:
        self.training.forget(job)
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
    clock: str,
    progress: Callable[[JobProgress], None] = lambda event: None,
) -> list[Measurement]:
    """Time networks end to end, alone and in turns; a measurement that was made before is not made again.

    Raises RunError if they cannot be timed.
    """
    config = sitting.config
    arguments = {
        "architectures": list(architectures),
        "workload": config.workload,
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
            raise RunError(f"the latencies could not be measured: {failures[job.name].reason}")
        result = read_result(sitting.run.path, job)
    if result is None:
        raise RunError(f"{job.name}: the worker says that it is done, but its result cannot be read")
    return [Measurement.model_validate(measurement) for measurement in result["measurements"]]


def write_confirmations(run_dir: Path, confirmed: dict[str, Confirmation]) -> None:
    """Store confirmations by fingerprint."""
    write_text_atomic(run_dir / CONFIRMATIONS, json.dumps(_BY_FINGERPRINT.dump_python(confirmed, mode="json")) + "\n")


def read_confirmations(run_dir: Path) -> dict[str, Confirmation]:
    """Confirmations by fingerprint; empty before the last stage has ended."""
    path = run_dir / CONFIRMATIONS
    if not path.exists():
        return {}
    try:
        return _BY_FINGERPRINT.validate_json(path.read_bytes())
    except (OSError, ValidationError):
        raise InputError(f"{path}: damaged; remove it, and 'nas-search resume {run_dir}' writes it again") from None
