"""Part one: does a search with Optuna's Gaussian process find a better front than random search at equal cost?

    python experiments/cpu-default/searches.py --out DIR [--seeds 0 1 2]

For each seed such a search and a random one are run with the same latency table, data and rungs. Cost is
counted in trained tokens; both fronts are compared at the cost that the cheaper run reached. Run it again to resume.
"""

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

import nas_search
from nas_search.cli.console import stderr
from nas_search.cli.observer import TerminalObserver
from nas_search.profiler.device import resolve_device
from nas_search.search.front import hypervolume
from nas_search.search.rungs import Ladder
from nas_search.search.study import Study

sys.path.append(str(Path(__file__).parents[1] / "studies"))
from paired import Paired

SAMPLERS = ("gp", "random")


@dataclass(frozen=True)
class Step:
    """One finished trial: tokens trained so far, and its point if it reached the top rung."""

    tokens: int
    point: tuple[float, float] | None


def run_searches(out: Path, seeds: list[int], table: Path | None) -> dict[tuple[str, int], Study]:
    """Every sampler with every seed, all on one table; only the first of the former is confirmed."""
    studies: dict[tuple[str, int], Study] = {}
    for seed in seeds:
        for sampler in SAMPLERS:
            first = next(iter(studies.values()), None)
            frozen = table if first is None else first.run_dir / "table.parquet"
            confirm = {} if sampler == SAMPLERS[0] and seed == seeds[0] else {"confirm_members": 0}
            with TerminalObserver(stderr()) as observer:
                studies[sampler, seed] = nas_search.search(
                    sampler=sampler,
                    seed=seed,
                    run=out / f"{sampler}-{seed}",
                    observer=observer,
                    table=frozen,
                    **confirm,
                )
    return studies


def steps(study: Study) -> list[Step]:
    """The trained trials of a study in the order in which they finished."""
    ladder = Ladder.build(study.config.tokens, study.config.lowest_rung)
    share = study.config.recipe.decay_share
    # One trunk to the last rung's branch, and the decay branches of all rungs on the way.
    cost = [int((1 - share) * top + share * sum(ladder.tokens[: rung + 1])) for rung, top in enumerate(ladder.tokens)]
    done, trained = [], 0
    finished = [record for record in study.records() if record.trained and record.finished_at is not None]
    for record in sorted(finished, key=lambda record: (record.finished_at, record.number)):
        trained += cost[record.rung] if record.rung is not None else 0
        done.append(Step(trained, study.goals.point(record) if record.state == "complete" else None))
    return done


def normalised_hypervolume(history: list[Step], cost: int, low: np.ndarray, high: np.ndarray) -> float:
    """Share of the box from ``low`` to ``high`` (log latency, loss) that is dominated after ``cost`` tokens."""
    points = [
        np.array([np.log(step.point[0]), step.point[1]]) for step in history if step.point and step.tokens <= cost
    ]
    scaled = [tuple((point - low) / (high - low)) for point in points]
    return hypervolume(scaled, (1.0, 1.0))


def compare(studies: dict[tuple[str, int], Study], seeds: list[int]) -> dict:
    """Hypervolumes at equal cost, their paired difference, and its 95 % t interval."""
    histories = {key: steps(study) for key, study in studies.items()}
    points = np.array([(np.log(s.point[0]), s.point[1]) for history in histories.values() for s in history if s.point])
    low, high = points.min(axis=0), points.max(axis=0)
    rows = []
    for seed in seeds:
        cost = min(histories[sampler, seed][-1].tokens for sampler in SAMPLERS)
        volumes = {s: normalised_hypervolume(histories[s, seed], cost, low, high) for s in SAMPLERS}
        rows.append({"seed": seed, "tokens": cost, **volumes})
    return {"rows": rows, **interval([row["gp"] for row in rows], [row["random"] for row in rows])}


def interval(first: ArrayLike, second: ArrayLike) -> dict:
    """Mean of the differences of pairs with its 95 % t interval, which one pair does not have."""
    found = Paired.of(first, second)
    low, high = (float("nan") if end is None else end for end in (found.low, found.high))
    return {"n": found.n, "difference": found.mean, "low": low, "high": high}


def main() -> None:
    """Run, compare, print a table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--table", type=Path, help="a recorded latency table; without it the first search records one")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    studies = run_searches(arguments.out, arguments.seeds, arguments.table)
    result = compare(studies, arguments.seeds)
    print(f"device: {resolve_device('cpu').description}")
    print("normalised hypervolume (log latency, bits per byte) at equal trained tokens")
    for row in result["rows"]:
        print(f"seed {row['seed']}: {row['tokens']:>10,} tokens  gp {row['gp']:.4f}  random {row['random']:.4f}")
    print(f"gp - random: {result['difference']:+.4f} [{result['low']:+.4f}, {result['high']:+.4f}], n={result['n']}")
    print(json.dumps({"device": resolve_device("cpu").id, **result}))


if __name__ == "__main__":
    main()
