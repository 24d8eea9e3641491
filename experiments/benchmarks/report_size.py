"""How long it takes to show a big study, and how large its report is.

    OMP_NUM_THREADS=1 python experiments/benchmarks/report_size.py [--trials 24 200 2000] [--repetitions 3]

Studies are made up in a temporary folder, with the parts of a real search: random members of the space `cpu`, latencies
of a made-up table, losses by formula, half of the candidates stopped on the first of three rungs, learning curves as
trainings leave them, a confirmed front. Commands are processes of their own, timed from start to end, in turns; figures
are medians. The bars, by the clock, are for 2,000 trials: `report` in less than 5 s and 5 MB, `front` in less than 2 s.
CPU times hold for one core also if others use the machine. The last line is one JSON document.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
import psutil
import yaml
from table_speed import IMAGINARY, info_of, made_up_cells

from nas_search.profiler.cells import TRAFFIC
from nas_search.profiler.device import resolve_device
from nas_search.profiler.plan import TablePlan
from nas_search.profiler.table import LatencyTable
from nas_search.profiler.workload import Workload
from nas_search.search.config import SearchConfig
from nas_search.search.confirm import write_confirmations
from nas_search.search.goals import Goals
from nas_search.search.jobs import JOBS_FOLDER, result_path
from nas_search.search.journal import Candidate, Outcome, StudyJournal
from nas_search.search.journal_file import writable_storage
from nas_search.search.problem import SearchProblem
from nas_search.search.proposer import Proposer
from nas_search.search.rungs import Ladder
from nas_search.search.samplers.base import distributions
from nas_search.search.samplers.factory import sampler_maker
from nas_search.search.samplers.options import SamplerOptions
from nas_search.search.space_members import SpaceMembers
from nas_search.search.study import Facts, Study
from nas_search.search.training import rung_job_name
from nas_search.search.trial import Confirmation, SeedScore
from nas_search.space.search_space import load_space

SEED = 0
COMMANDS = ("front", "report")
RUN = "from nas_search.cli.main import main; main()"
BAR_TRIALS, BAR_SECONDS, BAR_BYTES = 2000, {"front": 2.0, "report": 5.0}, 5e6
CURVE_STEPS, TOKENS_PER_STEP = 128, 1536
STOPPED_SHARE = 0.5
PENALTY_LOSS = 8.0


class Spent(NamedTuple):
    """Seconds of one command."""

    wall: float
    cpu: float


@dataclass
class Shown:
    """A study that is shown: what each command took, and the bytes of its report."""

    trials: int
    folder: Path
    spent: dict[str, list[Spent]] = field(default_factory=lambda: {command: [] for command in COMMANDS})

    @property
    def report_bytes(self) -> int:
        """Of the page."""
        return (self.folder / "report.html").stat().st_size

    def seconds(self, command: str) -> tuple[float, float]:
        """Medians of clock and CPU time."""
        spent = self.spent[command]
        return median(one.wall for one in spent), median(one.cpu for one in spent)


def main(arguments: Sequence[str]) -> None:
    options = parse(arguments)
    load = os.getloadavg()[0]
    print(f"{resolve_device('cpu').description}; load {load:.1f} before; n = {options.repetitions} each")
    with tempfile.TemporaryDirectory() as folder:
        studies = [Shown(trials, make_study(Path(folder) / str(trials), trials)) for trials in options.trials]
        for _ in range(options.repetitions):
            for shown in studies:
                for command in COMMANDS:
                    shown.spent[command].append(timed(command, shown.folder))
        print("trials | " + " | ".join(f"{command}, s (CPU)" for command in COMMANDS) + " | report, MB")
        for shown in studies:
            times = (f"{wall:.2f} ({cpu:.2f})" for wall, cpu in map(shown.seconds, COMMANDS))
            print(f"{shown.trials:,} | " + " | ".join(times) + f" | {shown.report_bytes / 1e6:.2f}", flush=True)
        print(
            json.dumps(
                {"n": options.repetitions, "load": load, "studies": list(map(document, studies))} | bars(studies)
            )
        )


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, nargs="+", default=[24, 200, BAR_TRIALS], help="trained candidates")
    parser.add_argument("--repetitions", type=int, default=3, help="of each command (default: 3)")
    return parser.parse_args(arguments)


def timed(command: str, folder: Path) -> Spent:
    """One command, from the start of its process to its end."""
    began = time.perf_counter()
    process = psutil.Popen([sys.executable, "-c", RUN, command, str(folder)], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"nas-search {command} {folder} failed")
    return Spent(time.perf_counter() - began, usage.ru_utime + usage.ru_stime)


def document(shown: Shown) -> dict[str, object]:
    seconds = {command: dict(zip(("wall", "cpu"), shown.seconds(command), strict=True)) for command in COMMANDS}
    return {"trials": shown.trials, "seconds": seconds, "report_bytes": shown.report_bytes}


def bars(studies: Sequence[Shown]) -> dict[str, object]:
    """Whether they are reached; None without a study of that size."""
    big = [shown for shown in studies if shown.trials == BAR_TRIALS]
    kept = [shown.seconds(name)[0] < bar for shown in big for name, bar in BAR_SECONDS.items()]
    kept += [shown.report_bytes < BAR_BYTES for shown in big]
    return {"bar_seconds": BAR_SECONDS, "bar_bytes": BAR_BYTES, "bars_reached": all(kept) if kept else None}


def make_study(folder: Path, trials: int) -> Path:
    """A finished run of so many trained candidates."""
    (folder / JOBS_FOLDER).mkdir(parents=True)
    config = SearchConfig(trials=trials, sampler="random").resolved()
    space = load_space("cpu").with_vocabulary(256)
    (folder / "config.yaml").write_text(config.to_yaml())
    (folder / "space.yaml").write_text(yaml.safe_dump(space.model_dump(mode="json"), sort_keys=False))
    goals = Goals.of(config)
    table = made_up_table(goals.workloads[0])
    table.save(folder / "table.parquet")
    journal = StudyJournal(writable_storage(folder / "study.journal"), distributions(space.genes), goals)
    facts = Facts(
        space="made up", corpus="made up", table=table.hash, objectives=tuple(q.name for q in goals.objectives),
        limits=(), penalty_loss=PENALTY_LOSS, versions={},
    )  # fmt: skip
    journal.set_facts(facts.model_dump(mode="json"))
    problem = SearchProblem(SpaceMembers(space, goals, table.predict_many), goals, penalty_loss=PENALTY_LOSS)
    search(folder, journal, problem, config)
    confirm(Study.open(folder))
    return folder


def made_up_table(workload: Workload) -> LatencyTable:
    space = load_space("cpu").with_vocabulary(256)
    plan = TablePlan.of_space(space, [workload], seed=SEED, held_out=0)
    settings = [setting for group in plan.groups(IMAGINARY) for setting in group.settings]
    # Made-up corrections for memory traffic could make latencies negative.
    cells = [cell for cell in made_up_cells(plan, settings) if cell.key.operator != TRAFFIC]
    return LatencyTable(info_of(settings), cells)


def search(folder: Path, journal: StudyJournal, problem: SearchProblem, config: SearchConfig) -> None:
    """Random members, each once, half of them stopped on the first rung."""
    ladder = Ladder.build(config.tokens, config.lowest_rung)
    proposer = Proposer(problem, sampler_maker("random", SamplerOptions.model_validate({})), SEED)
    rng = np.random.default_rng(SEED)
    seen: dict[str, int] = {}
    trained = index = 0
    while trained < config.trials:
        trial = journal.create(index)
        candidate = proposer.propose(journal, trial, seen)
        journal.write_candidate(trial, candidate)
        outcome = outcome_of(candidate, rng)
        journal.tell(trial, candidate, outcome)
        if candidate.fate == "train":
            seen[candidate.fingerprint] = trial.number
            write_curve(folder, candidate, outcome, ladder)
            trained += 1
        index += 1


def outcome_of(candidate: Candidate, rng: np.random.Generator) -> Outcome:
    """Losses fall with parameters, but for noise."""
    loss = 3.4 - 0.2 * math.log10(candidate.parameters) + float(rng.normal(0, 0.03))
    scores = (loss + 0.6 + float(rng.normal(0, 0.03)), loss + 0.2 + float(rng.normal(0, 0.03)), loss)
    if candidate.fate == "duplicate":
        return Outcome(state="duplicate", told_loss=PENALTY_LOSS)
    if rng.random() < STOPPED_SHARE:
        return Outcome(
            state="stopped", told_loss=loss, bits_per_byte=loss, extrapolated=True, loss_sd=0.1, rung_scores=scores[:1],
            seconds=8.0,
        )  # fmt: skip
    return Outcome(state="complete", told_loss=loss, bits_per_byte=loss, rung_scores=scores, seconds=60.0)


def write_curve(folder: Path, candidate: Candidate, outcome: Outcome, ladder: Ladder) -> None:
    rung = len(outcome.rung_scores) - 1
    steps = CURVE_STEPS * ladder.tokens[rung] // ladder.tokens[-1]
    last = outcome.rung_scores[-1]
    curve = [(TOKENS_PER_STEP * step, last + 3 / math.sqrt(step)) for step in range(1, steps + 1)]
    path = result_path(folder, rung_job_name(candidate.fingerprint, rung))
    path.write_text(json.dumps({"kind": "train", "arguments": {}, "result": {"curve": curve}}))


def confirm(study: Study) -> None:
    """Four members of the front, trained again but not measured."""
    write_confirmations(
        study.run_dir,
        {
            record.fingerprint: Confirmation(
                latency=None,
                tokens=study.config.confirm_tokens or study.config.tokens,
                scores=tuple(
                    SeedScore(seed=seed, bits_per_byte=(record.bits_per_byte or 0) - 0.1, weights="none")
                    for seed in (1, 2)
                ),
            )
            for record in study.front()[:4]
        },
    )


if __name__ == "__main__":
    main(sys.argv[1:])
