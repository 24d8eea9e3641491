"""What a study knows of recall by now: who was trained on the tasks, and how much they recall."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from optuna.trial import FrozenTrial

from nas_search.search.goals import Goals
from nas_search.search.journal import recall_of
from nas_search.search.problem import FloatArray
from nas_search.search.samplers.base import genome_of
from nas_search.space.genome import Gene, Genome


@dataclass(frozen=True)
class RecallObservations:
    """n different members that were trained on recall, whatever became of them, and accuracies [n, r] on r tasks."""

    genomes: tuple[Genome, ...] = ()
    accuracies: FloatArray = field(default_factory=lambda: np.empty((0, 0)))

    def __len__(self) -> int:
        return len(self.genomes)


def observe_recall(trials: Sequence[FrozenTrial], goals: Goals, genes: Sequence[Gene]) -> RecallObservations:
    """Those of told trials, on the tasks of ``goals.recalls`` in their order; none if there are no such tasks."""
    names = [quantity.name for quantity in goals.recalls]
    found: dict[Genome, list[float]] = {}
    for trial in trials if names else []:
        accuracies = recall_of(trial)
        if accuracies.keys() >= set(names):
            found.setdefault(genome_of(trial.params, genes), [accuracies[name] for name in names])
    return RecallObservations(tuple(found), np.array(list(found.values())).reshape(len(found), len(names)))
