"""Warm starts that cannot be: one line, and nothing left behind."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from search_fakes import Bench

from nas_search.errors import InputError
from nas_search.search.samplers import factory
from nas_search.search.study import Study

FIELDS: dict[str, Any] = {"trials": 2, "sampler": "random", "tokens": 16_384, "confirm_members": 0}


@pytest.fixture
def any_sampler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(factory, "WARM_SAMPLERS", frozenset({"random"}))


def refused(bench: Bench, message: str, **fields: Any) -> None:
    with pytest.raises(InputError, match=message) as error:
        bench.run("b", **FIELDS | fields)
    assert "\n" not in str(error.value)
    assert not (bench.folder / "b").exists()


def no_run(folder: Path) -> None:
    folder.mkdir()


def loop(folder: Path) -> None:
    folder.symlink_to(folder.name)


def file(folder: Path) -> None:
    folder.touch()


def not_begun(folder: Path) -> None:
    Bench(folder.parent).run(folder.name, **FIELDS)
    (folder / "study.journal").unlink()


def nothing_trained(folder: Path) -> None:
    Bench(folder.parent).run(folder.name, **FIELDS, limits=["parameters<=1"], proposals=3)


def damaged(folder: Path) -> None:
    Bench(folder.parent).run(folder.name, **FIELDS)
    (folder / "study.journal").write_text("?\n?\n")


def elsewhere(folder: Path) -> None:
    bench = Bench(folder.parent)
    text = (bench.folder / "gene.yaml").read_text().replace("[32, 64, 96]", "[128]")
    (bench.folder / "wider.yaml").write_text(text)
    bench.run(folder.name, **FIELDS, space=str(bench.folder / "wider.yaml"))


@pytest.mark.usefixtures("any_sampler")
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: None, "a: not a run directory"),
        (no_run, "a: not a run directory"),
        (file, "a: not a run directory"),
        (loop, "a: not a run directory"),
        (not_begun, "warm start .*a: none of its trials has a loss yet"),
        (nothing_trained, "warm start .*a: none of its trials has a loss yet"),
        (damaged, r"study\.journal: damaged"),
        (elsewhere, "warm start .*a: none of its 2 scored architectures is in the space small"),
    ],
)
def test_a_run_that_tells_nothing(bench: Bench, make: Callable[[Path], None], message: str) -> None:
    make(bench.folder / "a")
    refused(bench, message, warm_start=[bench.folder / "a"])


@pytest.mark.usefixtures("any_sampler")
def test_the_second_of_two_is_refused_like_the_first(bench: Bench) -> None:
    bench.run("a", **FIELDS)
    refused(bench, "nowhere: not a run directory", warm_start=[bench.folder / "a", bench.folder / "nowhere"])


@pytest.mark.usefixtures("any_sampler")
def test_the_run_itself(bench: Bench) -> None:
    refused(bench, "this is the run itself", warm_start=[bench.folder / "b"])
    bench.run("a", **FIELDS)
    refused(bench, "this is the run itself", warm_start=[bench.folder / "a", bench.folder / "a" / ".." / "b"])


def test_one_run_twice(bench: Bench) -> None:
    a = bench.folder / "a"
    refused(bench, "warm_start: .*give each run once", warm_start=[a, a])


@pytest.mark.parametrize("sampler", ["random", "nsga2", "tpe"])
def test_a_sampler_that_learns_nothing_from_other_runs(bench: Bench, sampler: str) -> None:
    bench.run("a", **FIELDS)
    refused(
        bench, f"sampler {sampler}: it learns nothing from other runs", warm_start=[bench.folder / "a"], sampler=sampler
    )


@pytest.mark.usefixtures("any_sampler")
def test_a_run_goes_on_with_the_warm_start_that_it_was_begun_with(bench: Bench) -> None:
    for name in ("a", "c"):
        bench.run(name, **FIELDS)
    bench.run("b", **FIELDS, warm_start=[bench.folder / "a"])
    before = Study.open(bench.folder / "b").facts
    for other in ([], [bench.folder / "c"], [bench.folder / "a", bench.folder / "c"]):
        with pytest.raises(
            InputError, match=r"begun with warm_start: \[.*a'\], now it is \[.*; give the same or"
        ) as error:
            bench.run("b", **FIELDS, warm_start=other)
        assert "\n" not in str(error.value)
    assert Study.open(bench.folder / "b").facts == before


@pytest.mark.usefixtures("any_sampler")
def test_what_a_run_keeps_must_stay_as_it_is(bench: Bench) -> None:
    bench.run("a", **FIELDS)
    bench.run("b", **FIELDS, warm_start=[bench.folder / "a"])
    kept = bench.folder / "b" / "warm_start.json"
    content = json.loads(kept.read_text())
    content["runs"][0]["trials"][0]["bits_per_byte"] += 0.01
    kept.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"the study was begun with warm_start .*, now it is"):
        bench.run("b", **FIELDS, warm_start=[bench.folder / "a"])
    kept.write_text("[" * 5000)
    with pytest.raises(InputError, match=r"warm_start\.json: damaged"):
        bench.run("b", **FIELDS, warm_start=[bench.folder / "a"])
    with pytest.raises(InputError, match=r"warm_start\.json: damaged"):
        _ = Study.open(bench.folder / "b").prior
