"""Trainings on recall tasks: what to ask of a worker for a candidate, and what has come of it already.

A candidate is trained on recall before it is trained on text. Recall takes a fixed number of steps, so every candidate
that gets a loss has it: whoever decides on a rung can take it as known, and what misses a limit on it is spared the
rungs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from nas_search.proxies.recall_result import RecallRecipe, RecallResult, RecallScore
from nas_search.search.jobs import Job, read_result
from nas_search.search.objectives import Quantity

RECALL: Final = "recall"
"""The kind of these jobs, and the phase in which their time is counted."""


@dataclass(frozen=True)
class RecallTraining:
    """Makes the jobs of ``tasks`` for candidates, or their twins, on ``device``; finds their results.

    Each task is trained with as many seeds as ``recipe`` says, from ``first_seed`` on.
    """

    run_dir: Path
    tasks: tuple[Quantity, ...]
    recipe: RecallRecipe
    first_seed: int
    device: str

    def jobs(self, architecture: str, fingerprint: str) -> list[Job]:
        """All trainings of a candidate, in the order in which they are to be done."""
        return [self._job(architecture, fingerprint, task.name, seed) for task in self.tasks for seed in self.seeds]

    @property
    def seeds(self) -> range:
        """Of each task."""
        return range(self.first_seed, self.first_seed + self.recipe.seeds)

    def again(self, tasks: tuple[Quantity, ...]) -> RecallTraining:
        """Trainings on ``tasks`` with as many seeds, none of which was used here."""
        return replace(self, tasks=tasks, first_seed=self.first_seed + self.recipe.seeds)

    def result(self, job: Job) -> RecallResult | None:
        """The result of a job that was done, in this sitting or an earlier one; a damaged one is none."""
        stored = read_result(self.run_dir, job)
        try:
            return None if stored is None else RecallResult.model_validate(stored)
        except ValidationError:
            return None

    def _job(self, architecture: str, fingerprint: str, task: str, seed: int) -> Job:
        arguments = {
            "architecture": architecture,
            "task": task,
            "pairs": self.recipe.pairs,
            "steps": self.recipe.steps,
            "seed": seed,
            "device": self.device,
        }
        return Job(name=f"{fingerprint}-{task.replace(':', '-')}-seed{seed}", kind=RECALL, arguments=arguments)


def recall_scores(results: Iterable[RecallResult]) -> dict[str, RecallScore]:
    """The scores of one candidate by task, of trainings that did not fail."""
    found: defaultdict[str, list[float]] = defaultdict(list)
    for result in results:
        if result.accuracy is not None:
            found[result.task].append(result.accuracy)
    return {task: RecallScore(accuracies=tuple(accuracies)) for task, accuracies in found.items()}
