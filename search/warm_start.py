"""Warm start: what other runs found out about members of this space, read once before the first trial.

A loss does not depend on the device whose latency counts, nor on limits and objectives. So the trials of a search for
one device inform the search for the next, and trainings of exactly the same arguments need not be done again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from nas_search.errors import InputError
from nas_search.proxies.recall_result import RecallResult
from nas_search.proxies.rung_result import RungResult
from nas_search.proxies.twin import TwinRule
from nas_search.search.jobs import Job, write_result
from nas_search.search.prior import PRIOR, Prior, PriorRun, PriorTrial
from nas_search.search.recall_training import RecallTraining
from nas_search.search.sitting import Sitting
from nas_search.search.study import Study
from nas_search.search.training import Training
from nas_search.search.trial import TrialRecord
from nas_search.space.architecture import Architecture
from nas_search.space.search_space import SearchSpace


def warm_start(sitting: Sitting, training: Training, recall: RecallTraining, twins: TwinRule | None) -> Prior:
    """What the run was warm-started with: as it keeps it, or read from the other runs now.

    Raises InputError for a run that is missing, damaged or this one, and for one that has nothing to tell.
    """
    if not sitting.config.warm_start:
        return Prior()
    kept = sitting.run.path / PRIOR
    if not kept.exists():
        runs = _Reader(sitting, training, recall, twins).read(sitting.config.warm_start)
        Prior(runs=runs).save(kept)  # last: trainings that are taken over are in place
    prior = Prior.load(kept)
    for run in prior.runs:
        sitting.observer.note(f"warm start: {run.summary}")
    return prior


class _Reader:
    """Reads other runs for one search; ``twins`` says how it scores its candidates."""

    def __init__(self, sitting: Sitting, training: Training, recall: RecallTraining, twins: TwinRule | None) -> None:
        self.setting, self.training, self.recall, self.twins = sitting.setting, training, recall, twins
        self.space: SearchSpace = sitting.setting.space
        self.known: set[PriorTrial] = set()

    def read(self, paths: Sequence[Path]) -> tuple[PriorRun, ...]:
        """All runs, in this order; a trial that one of them took over from another comes once."""
        return tuple(self._run(path) for path in paths)

    def _run(self, path: Path) -> PriorRun:
        study = Study.open(path)
        if path.samefile(self.training.run_dir):
            raise InputError(f"warm start {path}: this is the run itself; give another one")
        scored = _scored(study.records())
        if not scored:
            raise InputError(f"warm start {path}: none of its trials has a loss yet")
        trials = [trial for record, loss in scored if (trial := self._trial(record, loss))]
        if not trials:
            raise InputError(
                f"warm start {path}: none of its {len(scored)} scored architectures is in the space {self.space.name}"
            )
        same_score = self._same_score(study)
        if same_score:
            self._take_over(trials, study.run_dir)
        new = tuple(trial for trial in trials if trial not in self.known)
        self.known.update(trials)
        return PriorRun(name=_shown(path), same_score=same_score, outside=len(scored) - len(trials), trials=new)

    def _same_score(self, study: Study) -> bool:
        """Whether losses there are the same quantity: equal text, tokens, recipe and twins."""
        here, there, facts = self.setting.config, study.config, study.facts
        return (
            facts is not None
            and (facts.corpus, facts.twins) == (self.setting.corpus.hash, self.twins)
            and (there.tokens, there.recipe) == (here.tokens, here.recipe)
        )

    def _trial(self, record: TrialRecord, loss: float) -> PriorTrial | None:
        """A record with its architecture as it is in this search; None if it is not in the space.

        The vocabulary is that of the text, so the one of this search.
        """
        try:
            there = Architecture.parse(record.architecture)
            architecture = there.model_copy(update={"vocabulary": self.space.tokens})
            genome = self.space.encode(architecture)
        except InputError:
            return None
        return PriorTrial(
            genome=genome,
            architecture=architecture.notation,
            bits_per_byte=loss,
            loss_sd=record.loss_sd or 0.0,
        )

    def _take_over(self, trials: Sequence[PriorTrial], run_dir: Path) -> None:
        """Copy the results of trainings that this search would do with exactly the same arguments."""
        rungs, recall = replace(self.training, run_dir=run_dir), replace(self.recall, run_dir=run_dir)
        seed = self.setting.config.seed
        for trial in trials:
            architecture = Architecture.parse(trial.architecture)
            trained = architecture if self.twins is None else self.twins.twin(architecture)
            named = (trained.notation, architecture.fingerprint)
            for job in recall.jobs(*named):
                self._take_over_one(job, recall.result(job))
            for rung in range(rungs.ladder.top + 1):
                job = rungs.rung_job(*named, rung, seed)
                self._take_over_one(job, rungs.result(job))

    def _take_over_one(self, job: Job, result: RungResult | RecallResult | None) -> None:
        if result is not None:
            reused = result.model_copy(update={"reused": True, "seconds": 0.0})
            write_result(self.training.run_dir, job, reused.model_dump(mode="json"))


def _shown(path: Path) -> str:
    """As short as a user would write it."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _scored(records: Sequence[TrialRecord]) -> list[tuple[TrialRecord, float]]:
    """Those with a loss of their own, reached or extrapolated."""
    return [
        (record, record.bits_per_byte)
        for record in records
        if record.state in {"complete", "stopped"} and record.bits_per_byte is not None
    ]
