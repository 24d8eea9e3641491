"""What the dashboard is told of a run as a whole: figures, note, files; and that it follows without touching."""

import csv
import hashlib
import json
import shutil
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from dashboard_client import Clock, ask, detail, part_of
from study_maker import confirm_front, make_study

from nas_search.errors import InputError
from nas_search.files import write_text_atomic
from nas_search.results.dashboard.app import dashboard_app
from nas_search.results.dashboard.mirror import Mirror
from nas_search.search.lock import RunLock
from nas_search.search.study import Study
from nas_search.space.architecture import Architecture

REPORT = "<!doctype html><title>a report</title>"


def pictures(shown: Any) -> dict[str, Any]:
    return {one["id"]: json.loads(one["graph_object"]) for one in shown["plotly_graph_objects"]}


def trace(picture: Any, name: str) -> Any:
    return next(one for one in picture["data"] if one.get("name") == name)


def contents(folder: Path) -> dict[str, str]:
    """A hash of every file."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture
def grown(tmp_path: Path, study: Study) -> tuple[Path, list[int]]:
    """A copy of a run in the middle of its search, and its journal's line counts at every quarter."""
    total = len((study.run_dir / "study.journal").read_bytes().splitlines())
    quarters = [total * part // 4 for part in (1, 2, 3, 4)]
    return part_of(study, tmp_path, quarters[1]), quarters


def test_the_front_is_drawn_as_in_the_report(study: Study) -> None:
    front = pictures(detail(Mirror(study.run_dir)))["front"]
    members = trace(front, "front, as searched")
    assert sorted(members["customdata"]) == sorted(record.number for record in study.front())
    over = [record.number for record in study.records() if record.state == "over_limit"]
    assert trace(front, "over a limit, not trained")["customdata"] == over
    assert [one["text"] for one in front["layout"]["annotations"]] == ["limit"]
    assert front["layout"]["title"]["text"] == f"Front: {len(study.front())} of 40 trials"


def test_every_further_objective_has_a_figure(three: Study) -> None:
    drawn = pictures(detail(Mirror(three.run_dir)))
    assert drawn["front-1"]["layout"]["title"]["text"] == "Front against throughput:1024"
    lines = trace(drawn["learning-curves"], "front, as searched")
    assert lines["y"].count(None) == len(three.front())


def test_the_note_tells_where_the_run_stands(three: Study) -> None:
    body = detail(Mirror(three.run_dir))["note"]["body"]
    assert body.startswith("**The search is finished.** 40 proposals: ")
    assert "Limits: decode:256 ≤ 1.000 ms/token; memory:1024 ≤ 3.000 MiB." in body
    winner = three.winner()
    assert winner is not None
    assert f"| [{winner.number}](/dashboard/studies/0/trials?numbers={winner.number}) (winner) |" in body
    assert "The searched front is optimistic" in body
    assert "only reads the run" in body


def test_files_can_be_downloaded(tmp_path: Path, study: Study) -> None:
    run = shutil.copytree(study.run_dir, tmp_path / "run")
    (run / "report.html").write_text(REPORT)
    app = dashboard_app(Mirror(run))
    shown = ask(app, "/api/studies/0").json
    files = {file["filename"]: file["artifact_id"] for file in shown["artifacts"]}
    assert set(files) == {"report.html", "config.yaml", "space.yaml", "learning-curves.csv"}
    report = ask(app, f"/artifacts/0/{files['report.html']}")
    assert report.body.decode() == REPORT and report.headers["Content-Type"].startswith("text/html")
    assert f"[report.html](/artifacts/0/{files['report.html']})" in shown["note"]["body"]
    curves = list(csv.DictReader(StringIO(ask(app, f"/artifacts/0/{files['learning-curves.csv']}").body.decode())))
    assert len(curves) == sum(len(record.rung_scores) for record in study.records())


def test_every_trial_has_its_architecture_and_its_curve(study: Study, remote: Study) -> None:
    app = dashboard_app(Mirror(study.run_dir))
    for record in study.records():
        trial = ask(app, f"/api/studies/0?after={record.number}").json["trials"][0]
        files = {file["filename"]: f"/artifacts/0/{record.number}/{file['artifact_id']}" for file in trial["artifacts"]}
        expected = {"architecture.yaml"} | ({"learning-curve.csv"} if record.rung_scores else set())
        assert set(files) == expected
        written = ask(app, files["architecture.yaml"]).body.decode()
        assert written == Architecture.parse(record.architecture).to_yaml()
        if record.rung_scores:
            rows = list(csv.DictReader(StringIO(ask(app, files["learning-curve.csv"]).body.decode())))
            assert [float(row["bits_per_byte"]) for row in rows] == list(record.rung_scores)
    twins = ask(dashboard_app(Mirror(remote.run_dir)), "/api/studies/0").json["trials"][0]["artifacts"]
    assert "twin.yaml" in {file["filename"] for file in twins}


def test_what_is_not_there_is_not_found(study: Study) -> None:
    app = dashboard_app(Mirror(study.run_dir))
    assert ask(app, "/artifacts/0/ffff-0").status.startswith("404")
    assert ask(app, "/api/studies/7").status.startswith("404")


def test_it_follows_a_search(grown: tuple[Path, list[int]], study: Study) -> None:
    run, quarters = grown
    clock = Clock()
    mirror = Mirror(run, clock)
    before, first = detail(mirror), mirror.storage.shown[0]
    assert 15 < len(before["trials"]) < 25
    assert "Unfinished: nas-search resume" in before["note"]["body"]
    part_of(study, run, quarters[2])
    clock.seconds += 100
    with RunLock(run / "run.lock"):
        between = detail(mirror)
    assert len(before["trials"]) < len(between["trials"]) < 40
    assert between["note"]["body"].startswith("**The search is running.**")
    assert "so far" in pictures(between)["front"]["layout"]["title"]["text"]
    part_of(study, run, quarters[3])
    confirm_front(Study.open(run))
    clock.seconds += 100
    after = detail(mirror)
    fresh = detail(Mirror(run))
    assert after["trials"] == fresh["trials"]
    assert pictures(after) == pictures(fresh)
    assert mirror.storage.shown[0] is first


def test_a_running_trial_is_shown_as_running(tmp_path: Path) -> None:
    study = make_study(tmp_path, proposals=6, confirm=False, unfinished=True)
    trial = detail(Mirror(study.run_dir))["trials"][5]
    assert trial["state"] == "Running"
    assert trial["note"]["body"].startswith("**Running**")
    assert "datetime_complete" not in trial


def test_it_reads_a_run_again_only_when_it_changed_and_not_too_often(
    grown: tuple[Path, list[int]], study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, quarters = grown
    opened: list[Path] = []
    clock = Clock()
    mirror = Mirror(run, clock)
    original = Study.open

    def counting(folder: Path) -> Study:
        opened.append(folder)
        clock.seconds += 0.5
        return original(folder)

    monkeypatch.setattr(Study, "open", counting)
    mirror.refresh()
    assert not opened
    part_of(study, run, quarters[2])
    mirror.refresh()
    assert len(opened) == 1
    part_of(study, run, quarters[3])
    clock.seconds += 9.9
    mirror.refresh()
    assert len(opened) == 1
    clock.seconds += 0.2
    mirror.refresh()
    assert len(opened) == 2


def test_a_run_that_has_not_begun_is_waited_for(tmp_path: Path, study: Study) -> None:
    for name in ("config.yaml", "space.yaml"):
        shutil.copy(study.run_dir / name, tmp_path)
    clock = Clock()
    mirror = Mirror(tmp_path, clock)
    before = detail(mirror)
    assert before["trials"] == [] and before["note"]["body"].startswith("**The search has not begun.** Nobody")
    clock.seconds += 100
    with RunLock(tmp_path / "run.lock"):
        assert "recording its latency table" in detail(mirror)["note"]["body"]
    part_of(study, tmp_path, 400)
    clock.seconds += 100
    after = detail(mirror)
    assert after["trials"] and after["objective_names"][0].endswith("predicted (table)")


def test_a_study_without_feasible_trials_is_shown(tmp_path: Path) -> None:
    shown = detail(Mirror(make_study(tmp_path, proposals=12, limit_ms=0.01).run_dir))
    assert shown["best_trials"] == [] and len(shown["trials"]) == 12
    assert "No trial is on the front." in shown["note"]["body"]
    assert trace(pictures(shown)["front"], "over a limit, not trained")["customdata"]
    assert "learning-curves" not in pictures(shown)


def test_a_run_that_is_damaged_meanwhile_is_shown_as_it_was(grown: tuple[Path, list[int]]) -> None:
    run, _ = grown
    clock = Clock()
    mirror = Mirror(run, clock)
    before = detail(mirror)
    write_text_atomic(run / "study.journal", "no journal\n" * 3)
    clock.seconds += 100
    after = detail(mirror)
    assert after["trials"] == before["trials"]
    assert after["note"]["body"].startswith("**The run could not be read again, so everything here is older:** `")
    shutil.rmtree(run)
    clock.seconds += 100
    assert "not a run directory" in detail(mirror)["note"]["body"]


def test_no_run_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a run directory"):
        Mirror(tmp_path)


def test_nothing_is_written_to_the_run(grown: tuple[Path, list[int]]) -> None:
    run, _ = grown
    before = contents(run)
    app = dashboard_app(Mirror(run))
    for address in ("/", "/dashboard/studies/0", "/api/studies", "/api/studies/0", "/api/meta", "/csv/0",
                    "/api/studies/0/param_importances", "/artifacts/0/0-1"):  # fmt: skip
        assert ask(app, address).status[0] in "23", address
    assert contents(run) == before
