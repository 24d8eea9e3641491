"""Training jobs of one run: what to ask of a worker for a candidate's rung, and what has come of it already."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pydantic import ValidationError

from nas_search.proxies.recipe import TrainingRecipe
from nas_search.proxies.rung_result import RungResult
from nas_search.search.jobs import Job, read_result
from nas_search.search.rungs import Ladder

CHECKPOINTS_FOLDER = "checkpoints"


class RungTraining(Protocol):
    """What a search needs of training: jobs for rungs, and the results of those that were done."""

    @property
    def ladder(self) -> Ladder:
        """The rungs."""

    def rung_job(self, architecture: str, fingerprint: str, rung: int, seed: int) -> Job:
        """Train a candidate up to ``rung``, going on from the rung below."""

    def result(self, job: Job) -> RungResult | None:
        """The result of a job that was done."""

    def forget(self, job: Job) -> None:
        """The candidate of ``job`` trains no further."""


@dataclass(frozen=True)
class Training:
    """Makes training jobs and finds their results. Candidates are told apart by fingerprint.

    What is trained is a candidate or its twin, on ``device``.
    """

    run_dir: Path
    corpus: Path
    recipe: TrainingRecipe
    ladder: Ladder
    device: str

    def rung_job(self, architecture: str, fingerprint: str, rung: int, seed: int) -> Job:
        """Train a candidate of the search up to ``rung``, going on from the rung below."""
        return self._job(
            rung_job_name(fingerprint, rung),
            architecture=architecture,
            rungs=list(self.ladder.tokens),
            rung=rung,
            seed=seed,
            checkpoints=f"{CHECKPOINTS_FOLDER}/{fingerprint}",
            weights=None,
        )

    def confirm_job(self, architecture: str, fingerprint: str, tokens: int, seed: int) -> Job:
        """Train a member of the front from scratch with another seed, and keep its weights."""
        name = confirm_job_name(fingerprint, tokens, seed)
        return self._job(
            name,
            architecture=architecture,
            rungs=[tokens],
            rung=0,
            seed=seed,
            checkpoints=f"{CHECKPOINTS_FOLDER}/{name}",
            weights=f"{CHECKPOINTS_FOLDER}/{name}.safetensors",
        )

    def result(self, job: Job) -> RungResult | None:
        """The result of a job that was done, in this sitting or an earlier one; a damaged one is none."""
        stored = read_result(self.run_dir, job)
        try:
            return None if stored is None else RungResult.model_validate(stored)
        except ValidationError:
            return None

    def forget(self, job: Job) -> None:
        """Remove the checkpoints from which a job's training could go on."""
        shutil.rmtree(self.run_dir / str(job.arguments["checkpoints"]), ignore_errors=True)

    def _job(self, name: str, **arguments: Any) -> Job:
        constant = {"corpus": str(self.corpus), "recipe": self.recipe.model_dump(mode="json"), "device": self.device}
        return Job(name=name, kind="train", arguments={**arguments, **constant})


def rung_job_name(fingerprint: str, rung: int) -> str:
    """The name of the job that trains a candidate up to ``rung``."""
    return f"{fingerprint}-rung{rung}"


def confirm_job_name(fingerprint: str, tokens: int, seed: int) -> str:
    """The name of the job that trains a member of the front again."""
    return f"{fingerprint}-confirm-{tokens}-seed{seed}"
