"""Whole searches whose study is in a database: what a run directory has of it, and who finds it from there."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from postgres import PASSWORD, Server
from search_fakes import Bench, InlineExecutor, Recorder, essence

from nas_search.errors import InputError
from nas_search.search.run import run_search
from nas_search.search.study import Study

FIELDS: dict[str, Any] = {"trials": 5, "sampler": "random", "seed": 5, "confirm_members": 2, "latency_budget": "1ms"}


def everything_in(folder: Path) -> str:
    return "".join(path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file())


def test_it_finds_what_a_search_in_a_file_finds(bench: Bench, url: str) -> None:
    in_file = bench.run("file", **FIELDS)
    shared = bench.run("run", **FIELDS, storage=url)
    assert essence(shared) == essence(in_file)
    assert [record.confirmed for record in shared.records()] == [record.confirmed for record in in_file.records()]
    assert shared.winner() is not None
    assert not (bench.folder / "run" / "study.journal").exists()
    assert (bench.folder / "run" / "study.storage").read_text().startswith("study 'run' in ")
    config = yaml.safe_load((bench.folder / "run" / "config.yaml").read_text())
    assert config["study"] == "run"
    assert essence(Study.open(bench.folder / "run")) == essence(in_file)


def test_no_password_is_stored_or_told(bench: Bench, postgres: Server) -> None:
    observer = Recorder()
    bench.run("run", observer=observer, storage=postgres.create("secrets"), **FIELDS)
    told = everything_in(bench.folder / "run") + repr(observer.notes) + repr(Study.open(bench.folder / "run").config)
    assert f"127.0.0.1:{postgres.port}/secrets" in told
    for form in (PASSWORD, "s3cret"):
        assert form not in told


def test_a_run_is_resumed_with_the_password_of_the_environment(
    bench: Bench, postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres.create("resumed")
    bench.run("run", storage=url, **FIELDS)
    monkeypatch.setattr("nas_search.search.storage.url._passwords", {})
    with pytest.raises(InputError, match="a password is needed; give it in the URL, PGPASSWORD or") as problem:
        Study.open(bench.folder / "run")
    assert PASSWORD not in str(problem.value)
    monkeypatch.setenv("NAS_SEARCH_STORAGE", url)
    assert len(Study.open(bench.folder / "run").records()) >= 5
    monkeypatch.delenv("NAS_SEARCH_STORAGE")
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    config = Study.open(bench.folder / "run").config
    assert essence(run_search(config, bench.folder / "run", Recorder(), make_executor=InlineExecutor)) == essence(
        Study.open(bench.folder / "run")
    )


def test_a_second_driver_needs_only_the_url(bench: Bench, url: str) -> None:
    """It gets the table from the study, goes on with the same trials, and shows what the first confirmed."""
    first = bench.run("one", **FIELDS, storage=url, study="both")
    bench.table.rename(bench.folder / "elsewhere.parquet")
    observer = Recorder()
    second = bench.run("two", observer=observer, **FIELDS | {"table": None, "trials": 6}, storage=url, study="both")
    assert essence(second)[: len(essence(first))] == essence(first)
    assert sum(record.trained for record in second.records()) == 6
    assert (bench.folder / "two" / "table.parquet").read_bytes() == (
        bench.folder / "one" / "table.parquet"
    ).read_bytes()
    winner = first.winner()
    assert winner is not None and winner.confirmed is not None
    again = next(record for record in second.records() if record.fingerprint == winner.fingerprint)
    assert again.confirmed is not None
    if not (bench.folder / "two" / again.confirmed.best.weights).exists():
        assert str(bench.folder / "one") in str(second.weights_elsewhere(again))
    assert first.weights_elsewhere(winner) is None


def test_a_directory_that_belongs_to_another_study(bench: Bench, url: str) -> None:
    bench.run("run", **FIELDS, storage=url)
    with pytest.raises(InputError, match="begun with study: run, now it is other"):
        bench.run("run", **FIELDS, storage=url, study="other")
    with pytest.raises(InputError, match=r"begun with storage: .*, now it is None"):
        bench.run("run", **FIELDS)


def test_what_a_study_was_begun_with_counts(bench: Bench, url: str) -> None:
    bench.run("one", **FIELDS, storage=url, study="both")
    bench.text.write_text(bench.text.read_text() * 2)
    with pytest.raises(InputError, match="the study was begun with corpus"):
        bench.run("two", **FIELDS, storage=url, study="both")
    assert not (bench.folder / "two").exists()


def test_bad_input_leaves_no_directory(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="its folder must be there"):
        bench.run("run", **FIELDS, storage=f"sqlite:///{tmp_path}/nowhere/studies.db")
    assert not (bench.folder / "run").exists()


def test_a_study_name_needs_a_storage(bench: Bench) -> None:
    with pytest.raises(InputError, match="study: 'a' names a study in a storage; give storage with it"):
        bench.config(study="a")


def test_a_file_that_is_gone(bench: Bench, tmp_path: Path) -> None:
    bench.run("run", **FIELDS, storage=f"sqlite:///{tmp_path}/studies.db")
    (tmp_path / "studies.db").unlink()
    with pytest.raises(InputError, match=r"SQLite file .*studies\.db: no such file"):
        Study.open(bench.folder / "run")
    assert not (tmp_path / "studies.db").exists()


def test_a_file_whose_name_is_encoded_in_a_url(bench: Bench, tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/f\N{LATIN SMALL LETTER U WITH DIAERESIS}r uns@home.db"
    found = bench.run("run", **FIELDS, storage=storage)
    assert essence(Study.open(bench.folder / "run")) == essence(found)


def test_a_run_directory_that_was_moved_has_its_weights(bench: Bench, tmp_path: Path) -> None:
    bench.run("run", **FIELDS, storage=f"sqlite:///{tmp_path}/studies.db")
    (bench.folder / "run").rename(bench.folder / "moved")
    moved = Study.open(bench.folder / "moved")
    winner, weights = moved.winner(), moved.winner_weights()
    assert winner is not None and moved.weights_elsewhere(winner) is None
    assert weights is not None
    weights.unlink()
    elsewhere = Study.open(bench.folder / "moved").weights_elsewhere(winner)
    assert str(elsewhere).endswith(f":{bench.folder / 'run'}")


def test_a_study_that_is_gone_is_begun_anew_and_that_is_said(bench: Bench, tmp_path: Path) -> None:
    first = bench.run("run", **FIELDS, storage=f"sqlite:///{tmp_path}/studies.db")
    (tmp_path / "studies.db").unlink()
    observer = Recorder()
    again = bench.run("run", observer=observer, **FIELDS, storage=f"sqlite:///{tmp_path}/studies.db")
    assert essence(again) == essence(first)
    assert sum("not there any more; it begins anew" in note for note in observer.notes) == 1


def test_a_run_directory_may_have_a_longer_name_than_a_study(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"study: 'rrr.* is too long; give a name with --study"):
        bench.run("r" * 220, **FIELDS, storage=f"sqlite:///{tmp_path}/studies.db")
    assert not (bench.folder / ("r" * 220)).exists()
