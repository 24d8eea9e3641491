"""How many trials a second the engine manages: a simulated search with a thousand workers and the random sampler.

    python experiments/benchmarks/simulated_scale.py [--trials 20000] [--journal-trials 5000]

The table is made up: 59,049 rows, ten genes of three choices, trainings of very different lengths. The study is in
memory first, then in a journal file in a temporary folder, and then that file is resumed with nothing left to do. Rates
are given by the wall clock and by this process's own CPU time, memory as the growth of the resident set. The bar is 500
trials/s in memory, by the wall clock. The last line is one JSON document.
"""

import argparse
import itertools
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
from optuna.samplers import BaseSampler

from nas_search.profiler.device import resolve_device
from nas_search.search.journal_file import writable_storage
from nas_search.search.problem import SearchProblem
from nas_search.search.samplers.factory import sampler_maker
from nas_search.search.samplers.options import SamplerOptions
from nas_search.search.simulation.search_table import SearchTable
from nas_search.search.simulation.simulate import Replay, simulate

GENES, CHOICES = 10, 3
BAR_TRIALS_PER_SECOND = 500
SEED = 0
RANDOM = sampler_maker("random", SamplerOptions.model_validate({}))


@dataclass(frozen=True)
class Mark:
    """The state of this process when so many trials had been proposed."""

    trials: int
    wall: float
    cpu: float
    resident: int

    @classmethod
    def now(cls, trials: int) -> "Mark":
        """This moment."""
        return cls(trials, time.perf_counter(), time.process_time(), psutil.Process().memory_info().rss)

    def rates_since(self, before: "Mark") -> dict[str, float]:
        """Trials a second after an earlier mark."""
        trials = self.trials - before.trials
        return {
            "trials": self.trials,
            "trials_per_second": trials / (self.wall - before.wall),
            "trials_per_cpu_second": trials / (self.cpu - before.cpu),
        }

    def since(self, before: "Mark") -> dict[str, float]:
        """Rates and growth after an earlier mark."""
        growth = (self.resident - before.resident) / (self.trials - before.trials)
        return self.rates_since(before) | {"bytes_per_trial": growth}


@dataclass
class Marking:
    """Makes random samplers, and marks where some proposals begin."""

    at: Sequence[int]
    marks: list[Mark] = field(default_factory=list)

    def __call__(self, problem: SearchProblem, seed: int, proposal_index: int) -> BaseSampler:
        """The sampler of one proposal."""
        if proposal_index in self.at:
            self.marks.append(Mark.now(proposal_index))
        return RANDOM(problem, seed, proposal_index)


def main(arguments: Sequence[str]) -> None:
    options = parse(arguments)
    table = made_up_table()
    load = os.getloadavg()[0]
    print(f"{resolve_device('cpu').description}; load {load:.1f} before; {options.workers:,} workers")
    print("study | up to trial | trials/s | trials/s of CPU time | bytes of memory a trial")
    stages, replay = in_memory(table, options)
    whole = stages.pop()
    for stage in stages:
        show("in memory, from the mark before", stage)
    show("in memory, whole", whole)
    journal, resumed, size = in_journal(table, options)
    show(f"journal file, {size / options.journal_trials:.0f} bytes of it a trial", journal)
    show("resuming from the journal file", resumed)
    trained = sum(record.seconds for record in replay.records)
    busy = trained / (options.workers * replay.seconds)
    print(f"virtual time {replay.seconds / 3600:.1f} h; the workers were training {100 * busy:.1f} % of it")
    reached = whole["trials_per_second"] > BAR_TRIALS_PER_SECOND
    figures = {"in_memory": whole, "stages": stages, "journal": journal, "resuming": resumed, "busy": busy}
    print(json.dumps(figures | {"load": load, "bar_trials_per_second": BAR_TRIALS_PER_SECOND, "bar_reached": reached}))


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=20_000, help="in memory (default: 20000)")
    parser.add_argument("--journal-trials", type=int, default=5_000, help="in the journal file (default: 5000)")
    parser.add_argument("--workers", type=int, default=1_000, help="simulated workers (default: 1000)")
    return parser.parse_args(arguments)


def made_up_table() -> SearchTable:
    """Loss and latency add up over genes, with some noise; hours of training follow no rule."""
    rng = np.random.default_rng(SEED)
    names = [f"gene{index}" for index in range(GENES)]
    genomes = np.array(list(itertools.product(range(CHOICES), repeat=GENES)))
    rows = pd.DataFrame(genomes, columns=names)
    rows["loss"] = 3 - genomes @ rng.uniform(0.0, 0.1, GENES) + rng.normal(0, 0.02, len(rows))
    rows["ms"] = 1 + genomes @ rng.uniform(0.1, 1.0, GENES)
    rows["seconds"] = 3600 * rng.lognormal(0.0, 0.5, len(rows))
    return SearchTable.of(rows, names, loss="loss", latency="ms", cost="seconds")


def in_memory(table: SearchTable, options: argparse.Namespace) -> tuple[list[dict[str, float]], Replay]:
    """What happened between marks at a quarter, a half and the whole of the trials; then all of it."""
    marking = Marking([options.trials * quarter // 4 for quarter in range(3)])
    replay = simulate(table, marking, trials=options.trials, seed=SEED, workers=options.workers)
    marks = [*marking.marks, Mark.now(options.trials)]
    stages = [later.since(earlier) for earlier, later in itertools.pairwise(marks)]
    return [*stages, marks[-1].since(marks[0])], replay


def in_journal(table: SearchTable, options: argparse.Namespace) -> tuple[dict[str, float], dict[str, float], int]:
    """The same search with a file, then its reading by the next sitting, and the file's bytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "study.journal"
        sittings = []
        for _ in range(2):
            before = Mark.now(0)
            simulate(
                table,
                RANDOM,
                trials=options.journal_trials,
                seed=SEED,
                workers=options.workers,
                storage=writable_storage(path),
            )
            sittings.append(Mark.now(options.journal_trials).rates_since(before))
        return sittings[0], sittings[1], path.stat().st_size


def show(study: str, figures: dict[str, float]) -> None:
    rates = f"{figures['trials_per_second']:.0f} | {figures['trials_per_cpu_second']:.0f}"
    growth = f"{figures['bytes_per_trial']:.0f}" if "bytes_per_trial" in figures else ""
    print(f"{study} | {figures['trials']:.0f} | {rates} | {growth}")


if __name__ == "__main__":
    main(sys.argv[1:])
