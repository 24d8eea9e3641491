"""How long samplers think about a proposal, after 50 to 500 trials.

    OMP_NUM_THREADS=1 python experiments/benchmarks/proposal_time.py [--samplers bayes,evolution,tpe,gp]
        [--recall recall,needle:256]

In two places: a recorded table of 27 genes (experiments/search-benchmark/tables/hwgpt_s_pool.parquet), and the space
`cpu` with a latency table of made-up numbers and losses by formula. Trials are random members. Times are medians of
proposals with different seeds, in which samplers take turns; CPU times are those of the whole process, so they hold for
one core also if others use the machine. The bars: `bayes` takes at most a second after 500 trials, and a tenth of what
`gp` takes, where that takes part. With --recall these tasks are objectives too, with accuracies by formula, and only
the space `cpu` is looked at. The last line is one JSON document.
"""

import argparse
import json
import os
import sys
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from optuna.storages import InMemoryStorage
from table_speed import IMAGINARY, info_of, made_up_cells

from nas_search.profiler.cells import TRAFFIC
from nas_search.profiler.device import resolve_device
from nas_search.profiler.plan import TablePlan
from nas_search.profiler.table import LatencyTable
from nas_search.profiler.workload import Workload
from nas_search.proxies.recall_result import RecallScore
from nas_search.search.bench.table_file import TableColumns, read_search_table
from nas_search.search.goals import Goals
from nas_search.search.journal import Candidate, Outcome, StudyJournal
from nas_search.search.problem import SearchProblem
from nas_search.search.proposer import Proposer
from nas_search.search.samplers.base import distributions
from nas_search.search.samplers.factory import MakeSampler, sampler_maker
from nas_search.search.samplers.options import SamplerOptions
from nas_search.search.space_members import SpaceMembers
from nas_search.space.search_space import load_space

POOL = Path(__file__).parents[1] / "search-benchmark" / "tables" / "hwgpt_s_pool.parquet"
LAYERS = [f"{part}_{layer}" for part in ("mlp", "head") for layer in range(12)]
COLUMNS = TableColumns(("embed_dim", "n_layer", "bias", *LAYERS), loss="perplexity", latency="lat_h100_ms")
WORKLOAD = "decode:256"
SEED = 0
BAR_SECONDS, BAR_TRIALS, BAR_RATIO = 1.0, 500, 10.0


class Place(NamedTuple):
    """Somewhere to search, and the losses that training would give."""

    name: str
    problem: SearchProblem
    loss: Callable[[Candidate], float]

    def recalls(self, candidate: Candidate) -> dict[str, RecallScore]:
        """Accuracies on the tasks that are objectives: attention recalls."""
        attention = "a" in candidate.architecture.replace("swa", "").split()
        digest = zlib.crc32(candidate.fingerprint.encode()) / 2**32
        score = RecallScore(accuracies=(0.3 + 0.5 * attention + 0.2 * digest,))
        return {task.name: score for task in self.problem.goals.recalls}


class Spent(NamedTuple):
    """Seconds of one proposal."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Cell:
    """A sampler after so many trials, in one place."""

    place: str
    sampler: str
    trials: int
    spent: list[Spent]

    @property
    def cpu(self) -> float:
        """The median."""
        return median(one.cpu for one in self.spent)

    @property
    def wall(self) -> float:
        """The median."""
        return median(one.wall for one in self.spent)


def main(arguments: Sequence[str]) -> None:
    options = parse(arguments)
    load = os.getloadavg()[0]
    print(f"{resolve_device('cpu').description}; load {load:.1f} before; {options.repetitions} proposals each")
    print("seconds of CPU time (of the clock) a proposal, medians")
    print(" | ".join(["place", "sampler", *(f"{count} trials" for count in options.trials)]))
    cells: list[Cell] = []
    for place in (cpu_space(options.recall),) if options.recall else (recorded_table(), cpu_space()):
        there = [cell for count in options.trials for cell in timed(place, count, options)]
        for sampler in options.samplers:
            row = [f"{cell.cpu:.3f} ({cell.wall:.3f})" for cell in there if cell.sampler == sampler]
            print(" | ".join([place.name, sampler, *row]), flush=True)
        cells += there
    found = [{"place": c.place, "sampler": c.sampler, "trials": c.trials, "cpu": c.cpu, "wall": c.wall} for c in cells]
    print(json.dumps({"n": options.repetitions, "load": load, "seconds": found} | bars(cells)))


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samplers", type=lambda text: text.split(","), default=["bayes", "evolution", "tpe"])
    parser.add_argument("--recall", type=lambda text: text.split(","), default=[], help="tasks that are objectives")
    parser.add_argument("--trials", type=int, nargs="+", default=[50, 100, 200, BAR_TRIALS])
    parser.add_argument("--repetitions", type=int, default=9, help="proposals of each sampler (default: 9)")
    return parser.parse_args(arguments)


def recorded_table() -> Place:
    table = read_search_table(POOL, COLUMNS)
    name = f"table of {len(table.genes)} genes"
    return Place(name, table.problem(), lambda candidate: float(table.losses[int(candidate.fingerprint), 0]))


def cpu_space(tasks: Sequence[str] = ()) -> Place:
    """Losses fall with parameters, but for noise."""
    space = load_space("cpu").with_vocabulary(256)
    goals = Goals.stored((WORKLOAD, "loss", *tasks), ())
    plan = TablePlan.of_space(space, [Workload.parse(WORKLOAD)], seed=SEED, held_out=0)
    settings = [setting for group in plan.groups(IMAGINARY) for setting in group.settings]
    # Made-up corrections for memory traffic could make latencies negative.
    cells = [cell for cell in made_up_cells(plan, settings) if cell.key.operator != TRAFFIC]
    table = LatencyTable(info_of(settings), cells)
    problem = SearchProblem(SpaceMembers(space, goals, table.predict_many), goals, penalty_loss=8.0)
    rng = np.random.default_rng(SEED)
    name = ", ".join([f"space cpu of {len(space.genes)} genes", *tasks])
    return Place(name, problem, lambda one: float(3 - 0.1 * np.log10(one.parameters) + rng.normal(0, 0.02)))


def timed(place: Place, count: int, options: argparse.Namespace) -> list[Cell]:
    """The samplers in turns, in studies of their own with the same trials."""
    cells = [Cell(place.name, sampler, count, []) for sampler in options.samplers]
    studies = [study(place, count) for _ in cells]
    for seed in range(options.repetitions):
        for cell, journal in zip(cells, studies, strict=True):
            proposer = Proposer(place.problem, maker(cell.sampler), seed)
            trial = journal.create(count)
            wall, cpu = time.perf_counter(), time.process_time()
            proposer.propose(journal, trial, {})
            cell.spent.append(Spent(time.perf_counter() - wall, time.process_time() - cpu))
    return cells


def study(place: Place, count: int) -> StudyJournal:
    """In memory, with so many random members that are told."""
    problem = place.problem
    journal = StudyJournal(InMemoryStorage(), distributions(problem.space.genes), problem.goals)
    proposer = Proposer(problem, maker("random"), SEED)
    seen: dict[str, int] = {}
    for index in range(count):
        trial = journal.create(index)
        candidate = proposer.propose(journal, trial, seen)
        journal.write_candidate(trial, candidate)
        loss = place.loss(candidate)
        recalls = place.recalls(candidate)
        journal.tell(trial, candidate, Outcome(state="complete", told_loss=loss, bits_per_byte=loss, recalls=recalls))
        seen[candidate.fingerprint] = trial.number
    return journal


def maker(sampler: str) -> MakeSampler:
    return sampler_maker(sampler, SamplerOptions.model_validate({}))


def bars(cells: Sequence[Cell]) -> dict[str, Any]:
    """Which of them are reached, where those that they are about took part."""
    cpu = {(cell.place, cell.sampler, cell.trials): cell.cpu for cell in cells}
    late = [seconds for (_, sampler, trials), seconds in cpu.items() if (sampler, trials) == ("bayes", BAR_TRIALS)]
    ratios = [
        seconds / cpu[place, "bayes", trials]
        for (place, sampler, trials), seconds in cpu.items()
        if sampler == "gp" and (place, "bayes", trials) in cpu
    ]
    return {
        "bar_seconds": BAR_SECONDS,
        "bar_seconds_reached": max(late) <= BAR_SECONDS if late else None,
        "bar_ratio": BAR_RATIO,
        "least_ratio": min(ratios, default=None),
        "bar_ratio_reached": min(ratios) >= BAR_RATIO if ratios else None,
    }


if __name__ == "__main__":
    main(sys.argv[1:])
