"""Where the driver of a search becomes the limit: 10,000 GPUs and 1,000,000 candidates, on one core.

    python experiments/scale/driver.py [--out experiments/scale/recorded/driver.json]

1. Thinking: CPU seconds of a proposal in the space ``cpu``, by sampler and by trials in the study. A sampler that takes
   longer than ``--patience`` seconds is not asked in larger studies.
2. The engine without a sampler to speak of: trials a second with the study in memory and in a journal file, by blocks
   of trials, and memory by trial.
3. Searches with 10,000 workers in virtual time, in which the driver takes what 1 and 2 say for a proposal: how busy the
   workers are, beside the share that follows from the two times alone.

Everything else is extrapolated from these, and says so. CPU time is that of this process, so it holds on a machine that
others use. The last line is one JSON document.
"""

import argparse
import gc
import itertools
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

import numpy as np
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage, InMemoryStorage

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

from proposal_time import Place, cpu_space, maker
from simulated_scale import RANDOM, SEED, Mark, made_up_table

from nas_search.profiler.device import resolve_device
from nas_search.search.config import SearchConfig
from nas_search.search.journal import Outcome, StudyJournal
from nas_search.search.journal_file import writable_storage
from nas_search.search.problem import SearchProblem
from nas_search.search.proposer import Proposer
from nas_search.search.samplers.base import distributions
from nas_search.search.simulation.recorded_training import RecordedTraining
from nas_search.search.simulation.search_table import SearchTable
from nas_search.search.simulation.simulate import simulate_search

SAMPLERS = ("random", "enumerate", "evolution", "nsga2", "tpe", "bayes")
GPUS, CANDIDATES = 10_000, 1_000_000
TRIALS_PER_WORKER = 2
VIRTUAL = ((1, 0.002), (10, 0.01), (60, 0.2))
"""Minutes of training, and seconds of the driver for a proposal."""
Found = dict[str, Any]


def main(arguments: Sequence[str]) -> None:
    options = parse(arguments)
    load = os.getloadavg()[0]
    device = resolve_device("cpu").description
    print(f"{device}; load {load:.1f} before")
    thinking = think(options)
    engine = {name: drive(options, name) for name in ("memory", "journal")}
    table = made_up_table()
    plans = [virtual(table, minutes, seconds) for minutes, seconds in VIRTUAL]
    document = {
        "device": device,
        "load": load,
        "repetitions": options.repetitions,
        "thinking": thinking,
        "engine": engine,
        "workers": GPUS,
        "virtual": plans,
    }
    text = json.dumps(document)
    if options.out is not None:
        options.out.write_text(json.dumps(document, indent=1) + "\n")
    print(text)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[50, 500, 2_000, 5_000, 10_000], help="of studies")
    parser.add_argument("--repetitions", type=int, default=3, help="proposals of each sampler (default: 3)")
    parser.add_argument("--patience", type=float, default=10.0, help="seconds of a proposal (default: 10)")
    parser.add_argument("--trials", type=int, default=20_000, help="of the engine in memory (default: 20000)")
    parser.add_argument("--journal-trials", type=int, default=5_000, help="in the journal file (default: 5000)")
    parser.add_argument("--out", type=Path, help="write the JSON document here too")
    return parser.parse_args(arguments)


def think(options: argparse.Namespace) -> list[Found]:
    """CPU seconds of proposals in a study that grows by random members."""
    place = cpu_space()
    problem = place.problem
    journal = StudyJournal(InMemoryStorage(), distributions(problem.space.genes), problem.goals)
    seen: dict[str, int] = {}
    found: list[Found] = []
    patient, told = list(SAMPLERS), 0
    for size in options.sizes:
        for index in range(told, size):
            _tell_random(place, journal, seen, index)
        told = size
        for sampler in tuple(patient):
            seconds = [_one_proposal(problem, journal, sampler, seed) for seed in range(options.repetitions)]
            row = {"sampler": sampler, "trials": size, "median": median(seconds), "most": max(seconds)}
            found.append(row)
            print(f"{sampler} after {size:,} trials: {row['median']:.4f} s, at most {row['most']:.4f} s", flush=True)
            if max(seconds) > options.patience:
                patient.remove(sampler)
    return found


def _tell_random(place: Place, journal: StudyJournal, seen: dict[str, int], index: int) -> None:
    trial = journal.create(index)
    candidate = Proposer(place.problem, RANDOM, SEED).propose(journal, trial, seen)
    journal.write_candidate(trial, candidate)
    value = place.loss(candidate)
    journal.tell(trial, candidate, Outcome(state="complete", told_loss=value, bits_per_byte=value))
    seen.setdefault(candidate.fingerprint, trial.number)


def _one_proposal(problem: SearchProblem, journal: StudyJournal, sampler: str, seed: int) -> float:
    """In a trial that stays, running and without a candidate; samplers leave those out."""
    trial = journal.create(len(journal.trials()))
    started = process_time()
    Proposer(problem, maker(sampler), seed).propose(journal, trial, {})
    return process_time() - started


class Marking:
    """Makes random samplers, and marks where blocks of proposals begin."""

    def __init__(self, every: int) -> None:
        self._every = every
        self.marks: list[Mark] = []

    def __call__(self, problem: SearchProblem, seed: int, proposal_index: int) -> BaseSampler:
        """The sampler of one proposal."""
        if proposal_index % self._every == 0:
            gc.collect()
            self.marks.append(Mark.now(proposal_index))
        return RANDOM(problem, seed, proposal_index)


def drive(options: argparse.Namespace, where: str) -> list[Found]:
    """Four blocks of trials: rates and bytes a trial."""
    trials = options.trials if where == "memory" else options.journal_trials
    marking = Marking(trials // 4)
    with tempfile.TemporaryDirectory() as folder:
        storage: BaseStorage = (
            InMemoryStorage() if where == "memory" else writable_storage(Path(folder) / "study.journal")
        )
        table = made_up_table()
        training = RecordedTraining(table.ladder, table.losses, table.seconds)
        simulate_search(_config(trials, 1_000), table.problem(), training, marking, storage=storage)
    marks = [*marking.marks, Mark.now(trials)]
    found = [later.since(earlier) for earlier, later in itertools.pairwise(marks)]
    for block in found:
        rates = f"{block['trials_per_second']:.0f} trials/s, {block['trials_per_cpu_second']:.0f} of CPU time"
        print(f"{where}, up to trial {block['trials']:,.0f}: {rates}, {block['bytes_per_trial']:.0f} bytes", flush=True)
    return found


def virtual(table: SearchTable, minutes: float, proposal_seconds: float) -> Found:
    """A search with 10,000 workers; its trainings are those of the table, scaled to a mean."""
    seconds = table.seconds * (60 * minutes / table.seconds.mean())
    training = RecordedTraining(table.ladder, table.losses, seconds)
    trials = TRIALS_PER_WORKER * GPUS
    replay = simulate_search(
        _config(trials, GPUS), table.problem(), training, RANDOM, thinking=lambda proposals: proposal_seconds
    )
    began = GPUS * proposal_seconds  # until every worker has had its first job
    busy = replay.busy_seconds / (GPUS * replay.seconds)
    steady = min(1.0, 60 * minutes / (GPUS * proposal_seconds))
    row = {
        "training_minutes": minutes,
        "proposal_seconds": proposal_seconds,
        "trials": trials,
        "hours": replay.seconds / 3600,
        "first_jobs_hours": began / 3600,
        "busy": busy,
        "busy_while_proposing": _busy_while_proposing(replay.busy_seconds - replay.busy_after, replay.last_proposal),
        "steady_state": steady,
        "hours_for_all_extrapolated": CANDIDATES * max(proposal_seconds, 60 * minutes / GPUS) / 3600,
    }
    print(
        f"trainings of {minutes} min, {proposal_seconds} s a proposal: busy {row['busy_while_proposing']:.1%} until "
        f"the last proposal, by the two times alone {steady:.1%}",
        flush=True,
    )
    return row


def _busy_while_proposing(busy_seconds: float, until: float) -> float:
    return float(np.divide(busy_seconds, GPUS * until))


def _config(trials: int, workers: int) -> SearchConfig:
    return SearchConfig(trials=trials, proposals=20 * trials, workers=workers, seed=SEED)


if __name__ == "__main__":
    main(sys.argv[1:])
