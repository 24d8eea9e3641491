"""Trainings for a law, as jobs of the run; those that were done in an earlier sitting are not done again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nas_search.errors import InputError, RunError
from nas_search.files import write_text_atomic
from nas_search.proxies.law import fit_law
from nas_search.proxies.law_points import LawPoints
from nas_search.proxies.scaling_law import ScalingLaw
from nas_search.search.batch import run_jobs
from nas_search.search.executors.base import JobProgress
from nas_search.search.jobs import Job
from nas_search.search.law_source import NEEDED
from nas_search.search.run_points import LOSS_NAME
from nas_search.search.rungs import Ladder
from nas_search.search.sitting import Sitting
from nas_search.search.training import Training
from nas_search.space.architecture import Architecture

PHASE = "law"
LOSSES = "law.csv"


class _Trained(NamedTuple):
    network: Architecture
    loss: float


@dataclass(frozen=True)
class LawTraining:
    """Trains ``networks`` for so many ``tokens`` each, in one sitting of a run."""

    sitting: Sitting
    networks: Sequence[Architecture]
    tokens: int

    def law(self) -> ScalingLaw:
        """Fitted to the losses, which are kept in the run directory.

        Networks whose training fails are left out. Raises RunError if the others do not tell a law.
        """
        trained = self._trained()
        if not trained:
            raise RunError(f"no law to choose by: not one of {len(self.networks)} networks could be trained")
        self._keep(trained)
        self.sitting.observer.advance(0, "fitting")
        try:
            law = fit_law(self._points(trained), seed=self.sitting.config.seed)
            law.require(*NEEDED)
        except InputError as error:
            raise RunError(f"no law to choose by: {error}") from None
        return law

    def _trained(self) -> list[_Trained]:
        """The largest begin first, so that workers end at about the same time."""
        sitting, training = self.sitting, self._training
        jobs = {network: self._job(network) for network in sorted(self.networks, key=_size, reverse=True)}
        missing = [job for job in jobs.values() if training.result(job) is None]
        sitting.observer.phase(PHASE, len(jobs))
        sitting.observer.advance(len(jobs) - len(missing))
        with sitting.watch.phase(PHASE):
            failures = run_jobs(sitting.executor, missing, progress=self._show, finished=self._count)
        trained = []
        for network in self.networks:
            job = jobs[network]
            training.forget(job)
            result = training.result(job)
            if result is not None and result.bits_per_byte is not None:
                trained.append(_Trained(network, result.bits_per_byte))
                continue
            failure = failures.get(job.name)
            reason = failure.reason if failure else result.failure if result else "its result cannot be read"
            sitting.observer.note(f"law: {network.notation} is left out, {reason}")
        return trained

    def _show(self, event: JobProgress) -> None:
        self.sitting.observer.advance(0, f"{event.name} {event.done}/{event.total}")

    def _count(self, job: Job) -> None:
        self.sitting.observer.advance(1)

    def _keep(self, trained: Sequence[_Trained]) -> None:
        """As a table that ``law fit`` reads."""
        rows = [f'{one.depth},{one.width},{self.tokens},{loss!r},"{one.notation}"' for one, loss in trained]
        text = "\n".join(["depth,width,tokens,loss,architecture", *rows])
        write_text_atomic(self.sitting.run.path / LOSSES, text + "\n")

    def _points(self, trained: Sequence[_Trained]) -> LawPoints:
        depth, width, loss = np.array([(one.depth, one.width, loss) for one, loss in trained], dtype=np.float64).T
        return LawPoints(
            source=f"{len(trained)} networks that this search trained",
            depth=depth,
            width=width,
            tokens=np.full(len(trained), float(self.tokens)),
            loss=loss,
            loss_name=LOSS_NAME,
            corpus=self.sitting.setting.corpus.hash,
        )

    @property
    def _training(self) -> Training:
        config = self.sitting.config
        corpus: Path = self.sitting.setting.corpus.path
        return Training(self.sitting.run.path, corpus, config.recipe, Ladder((self.tokens,)), config.train_device)

    def _job(self, network: Architecture) -> Job:
        return self._training.rung_job(network.notation, f"law-{network.fingerprint}", 0, self.sitting.config.seed)


def _size(network: Architecture) -> int:
    return network.parameters
