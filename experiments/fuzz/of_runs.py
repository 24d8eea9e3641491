"""Targets that are files of a run: its journal, through study, dashboard and report, and what lies beside."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any
from wsgiref.util import setup_testing_defaults

from mutation import mutated_bytes, mutated_lines, mutated_text, mutated_tree
from target import Case, Target

SEEDS = Path(__file__).parent / "seeds"
RUN = SEEDS / "run"
JOURNAL_WORDS = (
    '"op_code":0', '"op_code":4', '"op_code":6', '"op_code":8', '"op_code":99', '"trial_id":99', '"trial_id":-1',
    '"study_id":1', '"state":0', '"state":9', '"worker_id":null', '"user_attr":{"candidate":{}}',
    '"user_attr":{"facts":{}}',
    '"fingerprint":"../../x"', '"values":[1]', '"values":null', '{"op_code":1,"worker_id":"a","study_id":0}\n',
)  # fmt: skip


def run_copy(folder: Path) -> Path:
    """The seed run, to be damaged."""
    run = folder / "run"
    shutil.copytree(RUN, run)
    return run


def json_lines_draw(text: str, words: tuple[str, ...] = ()) -> Callable[[Random], bytes]:
    """Lines of JSON with other bytes, other lines, other characters or other values."""
    lines = text.splitlines()

    def draw(rng: Random) -> bytes:
        change = rng.random()
        if change < 0.2:
            return mutated_bytes(text.encode(), rng)
        if change < 0.4:
            return mutated_lines(text, rng).encode()
        if change < 0.5:
            return mutated_text(text, rng, words, text).encode("utf-8", "surrogatepass")
        changed = list(lines)
        for _ in range(rng.choice((1, 1, 2))):
            place = rng.randrange(len(changed))
            changed[place] = json.dumps(mutated_tree(json.loads(lines[place]), rng))
        return ("\n".join(changed) + "\n").encode("utf-8", "surrogatepass")

    return draw


def json_draw(text: str) -> Callable[[Random], bytes]:
    """A JSON document with other values or other characters."""
    tree = json.loads(text)

    def draw(rng: Random) -> bytes:
        if rng.random() < 0.7:
            return json.dumps(mutated_tree(tree, rng)).encode("utf-8", "surrogatepass")
        return mutated_bytes(text.encode(), rng)

    return draw


def _journal(folder: Path) -> Case:
    from nas_search.search.study import Study

    run = run_copy(folder)
    journal = run / "study.journal"

    def read(data: bytes) -> None:
        journal.write_bytes(data)
        study = Study.open(run)
        study.records(), study.front(), study.confirmed_front(), study.winner(), study.hypervolume_history()

    return Case(json_lines_draw(journal.read_text(), JOURNAL_WORDS), read)


def _driver(folder: Path) -> Case:
    """The journal as a driver opens it: repaired, then with parameters."""
    from nas_search.search.journal_file import writable_storage
    from nas_search.search.study import Study

    run = run_copy(folder)
    journal = run / "study.journal"
    text = journal.read_text()

    def read(data: bytes) -> None:
        journal.write_bytes(data)
        writable_storage(journal)
        Study.open(run)

    return Case(json_lines_draw(text, JOURNAL_WORDS), read)


def _dashboard(folder: Path) -> Case:
    from nas_search.results.dashboard.app import dashboard_app
    from nas_search.results.dashboard.mirror import Mirror

    run = run_copy(folder)
    journal, whole = run / "study.journal", (RUN / "study.journal").read_bytes()
    mirror = Mirror(run, clock=_steps())
    app = dashboard_app(mirror)

    def read(data: bytes) -> None:
        journal.write_bytes(data)
        for address in (f"/api/studies/{mirror.study_id}", "/api/studies", "/artifacts/0/0-0"):
            environ: dict[str, Any] = {"PATH_INFO": address, "HTTP_HOST": "127.0.0.1:8080"}
            setup_testing_defaults(environ)
            said: list[str] = []
            b"".join(app(environ, lambda status, headers, *_, said=said: said.append(status)))
            if said[0].startswith("5"):
                raise AssertionError(f"{address}: {said[0]}")
        journal.write_bytes(whole)

    return Case(json_lines_draw(journal.read_text(), JOURNAL_WORDS), read)


def _report(folder: Path) -> Case:
    from nas_search.results.report import write_report
    from nas_search.search.study import Study

    run = run_copy(folder)
    journal = run / "study.journal"

    def read(data: bytes) -> None:
        journal.write_bytes(data)
        write_report(Study.open(run))

    return Case(json_lines_draw(journal.read_text(), JOURNAL_WORDS), read)


def _beside(name: str) -> Callable[[Path], Case]:
    """A JSON file of the run other than the journal."""

    def make(folder: Path) -> Case:
        from nas_search.search.study import Study

        run = run_copy(folder)
        file = run / name

        def read(data: bytes) -> None:
            file.write_bytes(data)
            study = Study.open(run)
            study.winner(), study.winner_weights(), study.confirmed_front(), study.dataframe()

        return Case(json_draw(file.read_text()), read)

    return make


def _prior(folder: Path) -> Case:
    from nas_search.search.prior import Prior

    file = folder / "warm_start.json"
    trial = {"genome": ["a", 1, "1:1"], "architecture": "w64 a f", "bits_per_byte": 2.5, "loss_sd": 0.1}
    text = json.dumps({"runs": [{"name": "runs/x", "same_score": True, "outside": 1, "trials": [trial, trial]}]})

    def read(data: bytes) -> None:
        file.write_bytes(data)
        found = Prior.load(file)
        found.hash, [run.summary for run in found.runs]

    return Case(json_draw(text), read)


def _events(folder: Path) -> Case:
    from nas_search.search.events import read_events, seconds_by_phase

    file = folder / "events.jsonl"

    def read(data: bytes) -> None:
        file.write_bytes(data)
        read_events(file), seconds_by_phase(file)

    return Case(json_lines_draw((RUN / "events.jsonl").read_text(), ('"event":"seconds"', '"seconds":-1')), read)


def _result(folder: Path) -> Case:
    from nas_search.search.jobs import Job
    from nas_search.search.rungs import Ladder
    from nas_search.search.training import Training

    run = run_copy(folder)
    file = next((run / "jobs").glob("*-rung0.json"))
    stored = json.loads(file.read_text())
    job = Job(name=file.stem, kind="train", arguments=stored["arguments"])
    training = Training.__new__(Training)
    object.__setattr__(training, "run_dir", run)
    object.__setattr__(training, "ladder", Ladder((1,)))

    def read(data: bytes) -> None:
        file.write_bytes(data)
        training.result(job)

    return Case(json_draw(file.read_text()), read)


def _steps() -> Callable[[], float]:
    """A clock that is always late enough for another look at the run."""
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += 1e6
        return now

    return clock


TARGETS = (
    Target("journal", "a study's journal through Study.open", 12, _journal),
    Target("driver", "a study's journal as a driver repairs and opens it", 8, _driver),
    Target("dashboard", "a study's journal through the dashboard, which has it open", 3, _dashboard),
    Target("report", "a study's journal through its report", 0.5, _report),
    Target("confirmations", "a study's confirmations.json", 5, _beside("confirmations.json")),
    Target("prior", "a study's warm_start.json", 60, _prior),
    Target("events", "a study's events.jsonl", 70, _events),
    Target("result", "a training job's result", 60, _result),
)
