"""Several drivers on one study, of which a random one is killed every few seconds and started again.

    python experiments/faults/drivers.py [--storage postgresql|sqlite] [--drivers 3] [--trials 200] [--json]

The drivers are processes with the real engine, leases and storage; PostgreSQL is a private cluster, started for this.
Training is replayed from a made-up table of 1,024 rows with three rungs, and takes a short while of real time. The
sampler is ``enumerate``. Some drivers are suspended instead, for longer than their lease: when they go on, others have
their trials. Every job that a worker begins is a line of an append-only log, and so is every trial that is told.

What must be so in the end: every trial is told once, no job was begun more often than faults explain (one rung of one
trial for each, since a driver has one worker), and the architectures are those of an undisturbed search by one driver.
"""

import argparse
import contextlib
import itertools
import json
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.append(str(Path(__file__).parents[2] / "tests"))

from postgres import private_server, server_binaries

from nas_search.profiler.device import resolve_device
from nas_search.search.config import SearchConfig
from nas_search.search.events import SilentLog, SilentObserver, Stopwatch
from nas_search.search.executors.base import JobEvent, JobFinished
from nas_search.search.jobs import Job
from nas_search.search.journal import record_of
from nas_search.search.loop import SearchLoop
from nas_search.search.proposer import Proposer
from nas_search.search.rundir import RunDirectory
from nas_search.search.samplers.base import distributions
from nas_search.search.samplers.factory import sampler_maker
from nas_search.search.samplers.options import SamplerOptions
from nas_search.search.simulation.recorded_training import RecordedTraining
from nas_search.search.simulation.search_table import RungColumns, SearchTable
from nas_search.search.simulation.simulate import simulate
from nas_search.search.storage.driver import LeaseTimes
from nas_search.search.storage.shared_access import SharedAccess
from nas_search.search.storage.shared_reading import read_shared
from nas_search.search.trial import TrialRecord

GENES, CHOICES = 5, 4
STUDY, SAMPLER = "drivers", "enumerate"
TIMES = LeaseTimes(lease_seconds=4.0, heartbeat_seconds=0.5)
SUSPENDED_SECONDS = 6.0
FORK = multiprocessing.get_context("fork")


def made_up_table(seconds: float) -> SearchTable:
    """Losses fall from rung to rung; a whole training takes ``seconds`` on average."""
    rng = np.random.default_rng(0)
    names = [f"gene{index}" for index in range(GENES)]
    genomes = np.array(list(itertools.product(range(CHOICES), repeat=GENES)))
    rows = pd.DataFrame(genomes, columns=names)
    rows["ms"] = 1 + genomes @ rng.uniform(0.1, 1.0, GENES)
    rows["loss"] = 3 - genomes @ rng.uniform(0.0, 0.1, GENES) + rng.normal(0, 0.02, len(rows))
    rows["loss_300"] = rows["loss"] + 0.2 + rng.normal(0, 0.02, len(rows))
    rows["loss_100"] = rows["loss_300"] + 0.4 + rng.normal(0, 0.02, len(rows))
    rows["seconds"] = seconds * rng.lognormal(0.0, 0.3, len(rows))
    rungs = (RungColumns(100, "loss_100"), RungColumns(300, "loss_300"), RungColumns(900, "loss"))
    return SearchTable(rows, tuple(names), "ms", rungs, "seconds")


@dataclass
class OneWorker:
    """A worker that takes its time; what it begins is in the log before anything else happens."""

    seconds: Callable[[Job], float]
    finish: Callable[[Job], None]
    log: Callable[[str], None]
    busy_seconds: float = 0.0
    queue: list[Job] = field(default_factory=list)

    def submit(self, job: Job) -> None:
        """Queue a job."""
        self.queue.append(job)

    def wait(self, timeout_seconds: float) -> list[JobEvent]:
        """Do the next job."""
        if not self.queue:
            time.sleep(timeout_seconds)
            return []
        job = self.queue.pop(0)
        self.log(f"began {job.name}")
        time.sleep(self.seconds(job))
        self.busy_seconds += self.seconds(job)
        self.finish(job)
        return [JobFinished(job.name, None)]

    def close(self) -> None:
        """Nothing runs."""


class Told(SilentObserver):
    """Logs what is told."""

    def __init__(self, log: Callable[[str], None]) -> None:
        self.log = log

    def trial(self, record: TrialRecord) -> None:
        """A trial ended."""
        self.log(f"told {record.number}")


class Lost(SilentLog):
    """Logs trials that another driver has by now."""

    def __init__(self, log: Callable[[str], None]) -> None:
        self.log = log

    def append(self, event: str, **fields: Any) -> None:
        """An event."""
        if event == "lost":
            self.log(f"lost {fields['number']}")


def drive(url: str, folder: Path, options: argparse.Namespace) -> None:
    """One sitting of one driver, to the end of the search."""
    handle = os.open(folder.parent / "log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def log(line: str) -> None:
        os.write(handle, f"{line}\n".encode())

    table = made_up_table(options.seconds)
    fields = {"trials": options.trials, "proposals": 20 * options.trials, "sampler": SAMPLER, "workers": 1}
    config = SearchConfig.checked({**fields, "storage": url, "study": STUDY})
    problem, run = table.problem(), RunDirectory(folder)
    training = RecordedTraining(table.ladder, table.losses, table.seconds)
    access = SharedAccess(config, folder, print, times=TIMES)
    with contextlib.closing(access):
        with access.beginning(run, config):
            journal = access.journal(run, distributions(problem.space.genes), problem.goals)
            if not journal.facts():
                journal.set_facts({"table": "made up"})
        SearchLoop(
            config,
            journal,
            Proposer(problem, sampler_maker(SAMPLER, SamplerOptions()), config.seed),
            training,
            executor=OneWorker(training.seconds, training.finish, log),
            observer=Told(log),
            log=Lost(log),
            watch=Stopwatch(SilentLog(), {}),
        ).run()


class Drivers:
    """The driver processes; whoever is killed comes back in the same run directory."""

    def __init__(self, url: str, folder: Path, options: argparse.Namespace) -> None:
        self.url, self.folder, self.options = url, folder, options
        self.kills = self.suspensions = 0
        self.rng = random.Random(options.seed)
        self.processes = [self._start(index) for index in range(options.drivers)]

    def run(self) -> None:
        """Until all of them have ended by themselves."""
        due, grown = time.monotonic() + self._pause(), 0
        while any(process.is_alive() for process in self.processes):
            time.sleep(0.05)
            ended = {process.exitcode for process in self.processes} - {None}
            if ended - {0}:
                raise SystemExit(f"a driver ended with {ended}")
            # Nothing is left to do once one has ended by itself, and between two faults somebody must get on.
            if time.monotonic() > due and not ended and self._grown() > grown:
                self._disturb()
                grown = self._grown()
                due = time.monotonic() + self._pause()

    def close(self) -> None:
        """End those that are left."""
        for process in self.processes:
            process.kill()
            process.join()

    def _grown(self) -> int:
        """How far the log has grown, in bytes."""
        log = self.folder / "log"
        return log.stat().st_size if log.exists() else 0

    def _pause(self) -> float:
        return self.rng.uniform(0.5, 1.5) * self.options.every

    def _disturb(self) -> None:
        index = self.rng.choice([i for i, process in enumerate(self.processes) if process.is_alive()] or [-1])
        if index < 0:
            return
        process = self.processes[index]
        assert process.pid is not None
        if self.rng.random() < self.options.suspend:
            self.suspensions += 1
            os.kill(process.pid, signal.SIGSTOP)
            time.sleep(SUSPENDED_SECONDS)
            os.kill(process.pid, signal.SIGCONT)
            return
        process.kill()
        process.join()
        self.kills += 1
        self.processes[index] = self._start(index)

    def _start(self, index: int) -> Any:
        folder = self.folder / f"driver{index}"
        folder.mkdir(exist_ok=True)
        process = FORK.Process(target=drive, args=(self.url, folder, self.options), daemon=True)
        process.start()
        return process


@contextlib.contextmanager
def storage(kind: str, folder: Path) -> Iterator[str]:
    """The URL of a storage of our own."""
    if kind == "sqlite":
        yield f"sqlite:///{folder}/studies.db"
        return
    binaries = server_binaries()
    if binaries is None:
        raise SystemExit("no PostgreSQL server is installed here (no initdb)")
    with private_server(binaries) as server:
        yield server.create("studies")


def figures(records: Sequence[TrialRecord], running: int, log: Path, options: argparse.Namespace) -> dict[str, Any]:
    """What came of it, beside a search by one driver that nothing disturbs."""
    lines = log.read_text().splitlines()
    began = Counter(line for line in lines if line.startswith("began"))
    told = Counter(line for line in lines if line.startswith("told"))
    alone = simulate(
        made_up_table(options.seconds), SAMPLER, trials=options.trials, seed=0, workers=options.drivers
    ).records
    same = {record.fingerprint for record in records} == {record.fingerprint for record in alone}
    return {
        "trials": len(records),
        "running": running,
        "architectures": len({record.fingerprint for record in records}),
        "told_twice": sum(count > 1 for count in told.values()),
        "jobs": len(began),
        "jobs_repeated": sum(began.values()) - len(began),
        "lost_leases": sum(line.startswith("lost") for line in lines),
        "same_architectures_as_alone": same,
        "same_outcomes_as_alone": sum(
            (one.state, one.bits_per_byte) == (other.state, other.bits_per_byte)
            for one, other in zip(records, alone, strict=False)
        ),
    }


def main(arguments: Sequence[str]) -> int:
    options = parse(arguments)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="nas-search-drivers-") as name:
        folder = Path(name)
        with storage(options.storage, folder) as url:
            drivers = Drivers(url, folder, options)
            try:
                drivers.run()
            finally:
                drivers.close()
            stored = read_shared(RunDirectory(folder / "driver0"), url, STUDY)
        records = [record_of(trial) for trial in stored.trials if trial.state.is_finished()]
        running = len(stored.trials) - len(records)
        found = figures(records, running, folder / "log", options)
    faults = {"kills": drivers.kills, "suspensions": drivers.suspensions}
    found = {"storage": options.storage, "drivers": options.drivers, **faults, **found}
    found["seconds"] = round(time.monotonic() - began, 1)
    found["passed"] = (
        found["trials"] == found["architectures"] == options.trials
        and found["told_twice"] == found["running"] == 0
        and found["jobs_repeated"] <= drivers.kills + drivers.suspensions
        and found["same_architectures_as_alone"]
    )
    if options.json:
        print(json.dumps(found))
    else:
        print(resolve_device("cpu").description)
        for key, value in found.items():
            print(f"{key:28} {value}")
    return 0 if found["passed"] else 1


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--storage", choices=["postgresql", "sqlite"], default="postgresql")
    parser.add_argument("--drivers", type=int, default=3, help="driver processes, with one worker each (default: 3)")
    parser.add_argument("--trials", type=int, default=200, help="(default: 200)")
    parser.add_argument("--seconds", type=float, default=0.6, help="of a whole training, on average (default: 0.6)")
    parser.add_argument("--every", type=float, default=2.5, help="seconds between faults, on average (default: 2.5)")
    parser.add_argument("--suspend", type=float, default=0.1, help="share of suspensions among faults (default: 0.1)")
    parser.add_argument("--seed", type=int, default=0, help="of the faults (default: 0)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
