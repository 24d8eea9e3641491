"""Names in files of others, of which paths are made: nothing is read, written or removed outside of a run."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from pydantic import ValidationError
from search_fakes import Bench, FakeTable

from nas_search.errors import InputError
from nas_search.results.export.trial_source import weights_file
from nas_search.search.jobs import Job
from nas_search.search.rundir import read_run
from nas_search.search.study import Study
from nas_search.search.trial import SeedScore

PATHS = ["../../victim", "/etc/passwd", "a/../../b", "..", "~/x", "a\0b", "a\nb", "x" * 300, "a\\b", "C:x", ".hidden"]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for module in ("table_stage", "study", "latency_source"):
        monkeypatch.setattr(f"nas_search.search.{module}.LatencyTable", FakeTable)
    return Bench(tmp_path)


@pytest.mark.parametrize("name", PATHS)
def test_a_job_is_called_by_no_path(name: str) -> None:
    with pytest.raises(ValidationError):
        Job(name=name, kind="train", arguments={})


@pytest.mark.parametrize("path", [*(path for path in PATHS if path not in {"x" * 300}), "checkpoints/../../x", "a//b"])
def test_weights_of_a_confirmation_are_inside_the_run(path: str) -> None:
    with pytest.raises(ValidationError):
        SeedScore(seed=1, bits_per_byte=1.0, weights=path)


def test_confirmations_that_lead_elsewhere_are_damaged(run: Path) -> None:
    file = run / "confirmations.json"
    found = json.loads(file.read_text())
    for one in found.values():
        one["scores"][0]["weights"] = "../../secret.safetensors"
    file.write_text(json.dumps(found))
    with pytest.raises(InputError, match=r"confirmations\.json: damaged"):
        Study.open(run)


@pytest.mark.parametrize("fingerprint", PATHS)
def test_a_candidate_is_called_by_no_path(run: Path, fingerprint: str) -> None:
    _edit_candidates(run / "study.journal", fingerprint)
    with pytest.raises(InputError, match="damaged"):
        Study.open(run)


def test_going_on_with_a_run_of_others_removes_nothing_elsewhere(bench: Bench) -> None:
    """Checkpoints lie in a folder that is called after the candidate, and is removed with all that is in it."""
    victim = bench.folder / "victim"
    victim.mkdir()
    (victim / "thesis.txt").write_text("years of work")
    theirs = bench.folder / "run"
    bench.run("run", trials=2)
    journal = theirs / "study.journal"
    _edit_candidates(journal, "../../victim")
    ends = next(n for n, line in enumerate(journal.read_text().splitlines()) if '"outcome"' in line)
    journal.write_text("".join(f"{line}\n" for line in journal.read_text().splitlines()[:ends]))  # one still runs
    with pytest.raises(InputError, match="damaged"):
        bench.run("run", trials=2)
    assert (victim / "thesis.txt").read_text() == "years of work"
    assert not list(bench.folder.glob("victim*rung*")), "nothing was written beside the run"


@pytest.mark.parametrize(
    "name", ["events.jsonl", "study.journal", "run.lock", "jobs", "checkpoints", "report.html", "x"]
)
def test_a_run_with_a_link_that_leads_out(run: Path, tmp_path: Path, name: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    path = run / name
    if path.is_dir():
        path.rename(tmp_path / "moved")
    path.unlink(missing_ok=True)
    path.symlink_to(outside)
    with pytest.raises(InputError, match=f"{name}: a link out of the run directory"):
        read_run(run)


@pytest.mark.parametrize("folder", ["jobs", "checkpoints"])
def test_links_in_its_folders(run: Path, tmp_path: Path, folder: str) -> None:
    (run / folder).mkdir(exist_ok=True)
    (run / folder / "circle").symlink_to("circle")
    with pytest.raises(InputError, match="a link out of the run directory"):
        read_run(run)


def test_links_within_and_a_link_to_a_run_are_fine(run: Path, tmp_path: Path) -> None:
    (run / "latest.html").symlink_to("report.html")
    (tmp_path / "link").symlink_to(run)
    assert len(Study.open(tmp_path / "link").records()) == len(Study.open(run).records())


def test_going_on_with_a_run_does_not_follow_links(bench: Bench) -> None:
    bench.run("run", trials=2)
    mine = bench.folder / "mine.txt"
    mine.write_text("mine\n")
    events = bench.folder / "run" / "events.jsonl"
    events.unlink()
    events.symlink_to(mine)
    with pytest.raises(InputError, match="a link out of the run directory"):
        bench.run("run", trials=4)
    assert mine.read_text() == "mine\n"


def test_weights_that_are_a_link_to_somewhere(run: Path, tmp_path: Path) -> None:
    """They would be copied into what is handed over."""
    study = Study.open(run)
    winner = study.winner()
    assert winner is not None and winner.confirmed is not None
    (run / "checkpoints").mkdir()
    (tmp_path / "private.safetensors").write_bytes(b"private")
    (run / winner.confirmed.best.weights).symlink_to(tmp_path / "private.safetensors")
    with pytest.raises(InputError, match="a link out of the run directory"):
        Study.open(run)
    (run / winner.confirmed.best.weights).unlink()
    assert weights_file(study, winner) is None


def _edit_candidates(journal: Path, fingerprint: str) -> None:
    lines = []
    for line in journal.read_text().splitlines():
        log = json.loads(line)
        if "candidate" in log.get("user_attr", {}):
            log["user_attr"]["candidate"]["fingerprint"] = fingerprint
        lines.append(json.dumps(log, separators=(",", ":")))
    journal.write_text("\n".join(lines) + "\n")


def test_reading_a_run_of_others_leaves_its_database_alone(run: Path, tmp_path: Path) -> None:
    """A run says where its study is: in any file at all, which a reader must not make into a database of studies."""
    mine = tmp_path / "mine.db"
    with closing(sqlite3.connect(mine)) as database:
        database.execute("CREATE TABLE contacts (name)")
        database.commit()
    before = mine.read_bytes()
    (run / "config.yaml").write_text(f"{(run / 'config.yaml').read_text()}storage: sqlite:///{mine}\n")
    with pytest.raises(InputError, match="no database of studies"):
        Study.open(run)
    assert mine.read_bytes() == before
    (run / "config.yaml").write_text((run / "config.yaml").read_text().replace("mine.db", "new.db"))
    with pytest.raises(InputError, match="no such file"):
        Study.open(run)
    assert not (tmp_path / "new.db").exists()


def test_a_home_that_is_nobodys_is_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nas_search.proxies.training_plan import TrainingPlan
    from nas_search.results.export.export import export
    from nas_search.results.train import train_plan

    monkeypatch.chdir(tmp_path)
    plan = TrainingPlan.checked({"architecture": "w32 a f", "tokens": 10**6}, "plan")
    with pytest.raises(InputError, match="no path to a folder"):
        train_plan(plan, Path("~nobody-of-this-name/x"), progress=lambda done, total: None, note=print)
    with pytest.raises(InputError, match="no path to a folder"):
        export("w32 a f", "~nobody-of-this-name/x", "yaml")
    assert not list(tmp_path.iterdir())
