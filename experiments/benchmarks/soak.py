"""A long study: how much memory its driver takes, and how soon it goes on after a restart.

    python experiments/benchmarks/soak.py [--trials 20000] [--out FILE.json]

A simulated search of the random sampler with a thousand workers on a journal file, in the made-up table of
``simulated_scale.py``, in a process of its own; then another process that opens the file and finds nothing left to do.
Memory is the growth of the resident set from the proposal of trial 2,000 to that of the last one; the table and
everything else that is there from the beginning is in neither. The bars are 50 MB and 30 s, these of CPU
time: going on is all computing, so they are those of the clock where nobody else is at work. Then, in this process,
what each part of the trials takes. The last line is one JSON document.
"""

import argparse
import gc
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial
from simulated_scale import RANDOM, SEED, Mark, made_up_table

from nas_search.profiler.device import resolve_device
from nas_search.search.config import SearchConfig
from nas_search.search.journal import StudyJournal
from nas_search.search.journal_file import writable_storage
from nas_search.search.problem import SearchProblem
from nas_search.search.samplers.base import distributions
from nas_search.search.simulation.recorded_training import RecordedTraining
from nas_search.search.simulation.simulate import simulate_search

SETTLED_TRIALS = 2_000
BAR_MEGABYTES, BAR_SECONDS = 50.0, 30.0


class Marking:
    """Makes random samplers, and marks the moments of two proposals: when the study has settled, and the last."""

    def __init__(self, first: int, last: int) -> None:
        self._at = (first, last)
        self.marks: list[Mark] = []

    def __call__(self, problem: SearchProblem, seed: int, proposal_index: int) -> BaseSampler:
        """The sampler of one proposal."""
        if proposal_index in self._at:
            gc.collect()
            self.marks.append(Mark.now(proposal_index))
        return RANDOM(problem, seed, proposal_index)


def study(path: Path, trials: int) -> dict[str, float]:
    """Search, or find nothing left to do: seconds, and the growth of the resident set between the marks in bytes."""
    table, marking = made_up_table(), Marking(min(SETTLED_TRIALS, trials // 2), trials - 1)
    problem = table.problem()
    before = Mark.now(0)
    training = RecordedTraining(table.ladder, table.losses, table.seconds)
    config = SearchConfig(trials=trials, proposals=20 * trials, workers=1_000, seed=SEED)
    simulate_search(config, problem, training, marking, storage=writable_storage(path))
    end = Mark.now(trials)
    figures = {"seconds": end.wall - before.wall, "cpu_seconds": end.cpu - before.cpu}
    if not marking.marks:
        return figures
    first, last = marking.marks
    return figures | {"growth": last.resident - first.resident, "trials": last.trials - first.trials}


def in_own_process(path: Path, trials: int) -> dict[str, float]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(study, path, trials).result()


def parts(path: Path) -> dict[str, float]:
    """Bytes for a trial of a resumed study, by what they are for; what trials share counts once."""
    trials = _trials(path)
    seen: set[int] = set()
    return {name: sum(_size(pick(trial), seen) for trial in trials) / len(trials) for name, pick in PICKS.items()}


def _trials(path: Path) -> list[FrozenTrial]:
    problem = made_up_table().problem()
    news = StudyJournal(writable_storage(path), distributions(problem.space.genes), problem.goals).news(0)
    return [] if news is None else list(news.told)


PICKS: dict[str, Any] = {
    "distributions": lambda trial: trial.distributions,
    "parameters": lambda trial: trial.params,
    "candidate": lambda trial: trial.user_attrs.get("candidate"),
    "outcome": lambda trial: trial.user_attrs.get("outcome"),
    "the rest": lambda trial: trial,
}


def _size(thing: Any, seen: set[int]) -> int:
    """Bytes of a thing and all that hangs on it, without what was counted before."""
    if id(thing) in seen or isinstance(thing, type):
        return 0
    seen.add(id(thing))
    inside = list(thing) + list(thing.values()) if isinstance(thing, dict) else []
    inside += list(thing) if isinstance(thing, list | tuple | set) else []
    inside += [thing.__dict__] if hasattr(thing, "__dict__") else []
    return sys.getsizeof(thing) + sum(_size(part, seen) for part in inside)


def main(arguments: Sequence[str]) -> None:
    options = parse(arguments)
    load = os.getloadavg()[0]
    print(f"{resolve_device('cpu').description}; load {load:.1f} before")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "study.journal"
        written = in_own_process(path, options.trials)
        resumed = in_own_process(path, options.trials)
        size = path.stat().st_size
        split = parts(path)
    megabytes = written["growth"] / 1e6
    each = written["growth"] / written["trials"]
    print(f"{options.trials:,} trials in {written['seconds']:.0f} s ({written['cpu_seconds']:.0f} s of CPU time)")
    print(f"memory: {megabytes:.1f} MB more for {written['trials']:,.0f} trials, {each:.0f} bytes a trial")
    print(f"resuming: {resumed['seconds']:.1f} s ({resumed['cpu_seconds']:.1f} s of CPU time)")
    print(f"journal: {size / options.trials:.0f} bytes a trial")
    print("in memory, bytes a trial: " + ", ".join(f"{name} {count:.0f}" for name, count in split.items()))
    document = {
        "trials": options.trials,
        "written": written,
        "resumed": resumed,
        "journal_bytes": size,
        "parts": split,
        "load": load,
        "device": resolve_device("cpu").description,
        "bars": {"megabytes": BAR_MEGABYTES, "cpu_seconds": BAR_SECONDS},
        "reached": megabytes < BAR_MEGABYTES and resumed["cpu_seconds"] < BAR_SECONDS,
    }
    if options.out is not None:
        options.out.write_text(json.dumps(document, indent=1) + "\n")
    print(json.dumps(document))


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=20_000, help="of the study (default: 20000)")
    parser.add_argument("--out", type=Path, help="write the JSON document here too")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
