"""All figures of a benchmark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from nas_search.profiler.device import resolve_device
from nas_search.search.bench.possible import most_possible
from nas_search.search.bench.replayed import Replayed
from nas_search.search.bench.scale import Scale
from nas_search.search.bench.setting import BenchSetting, source_hash, versions
from nas_search.search.bench.summary import (
    REACH_BUDGET,
    Estimate,
    ProposalTime,
    budgets,
    differences,
    evaluations_to_reach,
    hypervolumes,
)
from nas_search.search.front import nondominated
from nas_search.search.problem import FloatArray


class BenchResult(BaseModel):
    """``hypervolume`` is normalised as :class:`Scale` says, by sampler and budget (evaluations).

    ``possible`` is what the best choice of so many rows has, by budget. ``evaluations_to_reach`` is by sampler and
    peer, for what the peer has at ``reach_budget``; ``differences`` are those of sampler and peer, by budget, above
    zero where the sampler is better. ``simulated_seconds`` is the mean virtual time of a search by sampler; empty
    without a column of costs, None for packages alone. ``front`` is the number of non-dominated rows.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: str
    rows: int
    front: int
    reference: dict[str, float]
    best_hypervolume: float
    setting: BenchSetting
    n_seeds: int
    workers: int
    reach_budget: int
    hypervolume: dict[str, dict[int, Estimate]]
    possible: dict[int, float]
    evaluations_to_reach: dict[str, dict[str, int | None]]
    differences: dict[str, dict[str, dict[int, Estimate]]]
    seconds_per_proposal: dict[str, ProposalTime]
    simulated_seconds: dict[str, float | None]
    versions: dict[str, str]
    source: str
    device: str

    @classmethod
    def of(
        cls,
        table: str,
        points: FloatArray,
        scale: Scale,
        setting: BenchSetting,
        replays: Mapping[str, Sequence[Replayed]],
    ) -> BenchResult:
        """From a table's name, latency and loss of its rows [rows, 2], and every sampler's replays, seed by seed."""
        where = [tuple(point) for point in points.tolist()]
        curves = {
            sampler: np.array([scale.curve([where[row] for row in one.rows], setting.trials) for one in found])
            for sampler, found in replays.items()
        }
        at, reach = budgets(setting.trials), min(REACH_BUDGET, setting.trials)
        front = [where[row] for row in nondominated(where)]
        most = most_possible(front, scale, setting.trials)
        return cls(
            table=table,
            rows=len(where),
            front=len(front),
            reference=dict(zip(("latency", "loss"), scale.reference, strict=True)),
            best_hypervolume=scale.best,
            setting=setting,
            n_seeds=setting.seeds,
            workers=setting.workers,
            reach_budget=reach,
            hypervolume=hypervolumes(curves, at),
            possible={budget: float(most[budget - 1]) for budget in at},
            evaluations_to_reach=evaluations_to_reach(curves, reach),
            differences=differences(curves, at),
            seconds_per_proposal={
                sampler: ProposalTime.of([second for one in found for second in one.thinking])
                for sampler, found in replays.items()
            },
            simulated_seconds={}
            if setting.cost is None
            else {sampler: _mean([one.seconds for one in found]) for sampler, found in replays.items()},
            versions=versions(),
            source=source_hash(),
            device=resolve_device("cpu").description,
        )


def _mean(seconds: Sequence[float | None]) -> float | None:
    known = [one for one in seconds if one is not None]
    return sum(known) / len(known) if known else None
