"""``nas-search table`` and ``nas-search devices``; recordings by formula."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_fakes import table_for
from recording_fakes import Stopwatch

from nas_search.profiler.device import resolve_device
from nas_search.profiler.known_devices import find_known
from nas_search.profiler.measure import measure
from nas_search.profiler.record import PARTS_SUFFIX
from nas_search.profiler.table import LatencyTable
from nas_search.profiler.timing import StopRule

Cli = Callable[..., Any]
TINY = """
name: tiny
mixers: [a, m2]
ratios: ['0:1', '1:1', '1:0']
ffns: [0, 1]
max_repeats: 3
widths: [32, 64]
max_operators: 8
"""
CPU = resolve_device("cpu")


@pytest.fixture
def space(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    return path


@pytest.fixture
def stopwatch(monkeypatch: pytest.MonkeyPatch) -> Stopwatch:
    """Sittings by formula."""
    stopwatch = Stopwatch()
    monkeypatch.setattr("nas_search.profiler.isolated_sitting.measure_sitting_isolated", stopwatch)
    return stopwatch


@pytest.mark.usefixtures("stopwatch")
def test_a_table_of_several_workloads_is_recorded_shown_and_predicts(
    nas_search: Cli, space: Path, tmp_path: Path
) -> None:
    out = tmp_path / "t.parquet"
    workloads = ("--workload", "decode:16", "--workload", "prefill:8")
    outcome = nas_search("table", "record", "--space", space, *workloads, "--networks", "12", "--out", out)
    assert outcome.code == 0
    assert list(LatencyTable.load(out).info.workloads) == ["decode:16", "prefill:8"]
    assert not out.with_name(out.name + PARTS_SUFFIX).exists()
    shown = nas_search("table", "show", out)
    assert shown.out == outcome.out
    for words in ("decode:16: 12 networks held out", "number of parameters", "measuring again", "w64", "overhead"):
        assert words in shown.out
    document = nas_search("table", "show", out, "--json").document
    assert document["workloads"]["decode:16"]["n"] == 12
    assert {cell["operator"] for cell in document["cells"]} >= {"a", "m2", "f", "overhead"}


def test_what_could_not_be_measured_is_printed(nas_search: Cli, stopwatch: Stopwatch, space: Path) -> None:
    stopwatch.fail = lambda network: "killed by SIGKILL" if network.width == 64 and network.depth > 6 else None
    out = space.with_suffix(".parquet")
    arguments = ("--space", space, "--workload", "decode:16", "--networks", "12", "--out", out)
    outcome = nas_search("table", "record", *arguments)
    assert outcome.code == 0
    assert "not measured: w64 " in outcome.out
    assert ": killed by SIGKILL" in outcome.out


def test_an_interrupted_recording_goes_on(
    nas_search: Cli, stopwatch: Stopwatch, space: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = space.with_suffix(".parquet")
    workloads = ("--workload", "decode:16", "--workload", "prefill:8")
    arguments = ("table", "record", "--space", space, *workloads, "--networks", "4", "--out", out)

    def interrupted(request: Any, **options: Any) -> Any:
        if len(stopwatch.requests) == 1:
            raise KeyboardInterrupt
        return stopwatch(request, **options)

    monkeypatch.setattr("nas_search.profiler.isolated_sitting.measure_sitting_isolated", interrupted)
    outcome = nas_search(*arguments)
    assert outcome.code == 130
    assert outcome.err == "Interrupted. The same command goes on where it was.\n"
    assert not out.exists()
    monkeypatch.setattr("nas_search.profiler.isolated_sitting.measure_sitting_isolated", stopwatch)
    assert nas_search(*arguments).code == 0
    assert len({request.key for request in stopwatch.requests}) == len(stopwatch.requests) == 2


@pytest.mark.usefixtures("two_gpus")
def test_published_rates_are_held_against_the_table_of_a_known_device(
    nas_search: Cli, stopwatch: Stopwatch, space: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from recording_fakes import FakeBackend

    stopwatch.captured = True
    monkeypatch.setattr("nas_search.profiler.record.backend_of", FakeBackend)
    out = space.with_suffix(".parquet")
    arguments = ("--space", space, "--device", "h100", "--workload", "decode:16", "--networks", "4", "--out", out)
    document = nas_search("table", "record", *arguments, "--json").document
    assert document["device"]["name"] == "h100"
    assert document["roofline_mape"]["decode:16,dtype=bfloat16"] > 0.5
    outcome = nas_search("table", "record", *arguments)
    assert "decode:16,dtype=bfloat16: published rates alone err by " in outcome.out


def test_a_table_is_checked_against_measurements(
    nas_search: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = table_for(CPU, tmp_path / "t.parquet")
    asked: list[int] = []

    def here(architectures: Any, workload: Any, **options: Any) -> Any:
        asked.append(len(architectures))
        stop = StopRule(interval=0.5, min_rounds=3, max_rounds=3, max_seconds=10)
        return measure(architectures, workload, **{**options, "stop": stop})

    monkeypatch.setattr("nas_search.profiler.isolated.measure_isolated", here)
    outcome = nas_search("table", "check", path, "--networks", "4", "--device", "cpu")
    assert outcome.code == 0
    assert asked == [8]
    for words in ("4 networks held out", "not calibrated", "number of operators", "number of parameters"):
        assert words in outcome.out


@pytest.mark.usefixtures("stopwatch")
def test_tables_are_merged(nas_search: Cli, space: Path, tmp_path: Path) -> None:
    for name, workload in (("one", "decode:16"), ("two", "prefill:8")):
        arguments = ("--space", space, "--workload", workload, "--networks", "4", "--out", tmp_path / name)
        assert nas_search("table", "record", *arguments).code == 0
    outcome = nas_search("table", "merge", tmp_path / "one", tmp_path / "two", "--out", tmp_path / "both", "--json")
    assert outcome.code == 0
    assert list(outcome.document["workloads"]) == ["decode:16", "prefill:8"]
    assert LatencyTable.load(tmp_path / "both").hash == outcome.document["hash"]


def test_without_a_command_there_is_help(nas_search: Cli) -> None:
    outcome = nas_search("table")
    assert (outcome.code, outcome.out) == (2, "")
    for command in ("record", "show", "check", "merge"):
        assert f"\n  {command} " in outcome.err
    assert outcome.err.splitlines()[-1] == "nas-search: table: say what to do: record, show, check or merge"


@pytest.mark.usefixtures("two_gpus")
def test_devices_are_here_recorded_or_published(
    nas_search: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = tmp_path / "nas-search" / "tables"
    folder.mkdir(parents=True)
    kept = table_for(CPU, folder / "cpu-0123456789ab.parquet")
    document = nas_search("devices", "--json").document
    assert [device["name"] for device in document["devices"]] == ["cpu", "h100", "abacus-1"]
    assert [device["place"] for device in document["devices"]] == ["cpu", "cuda:0", "cuda:1"]
    assert {"device": "cpu", "path": str(kept)} in document["tables"]
    assert all(find_known(known["name"]) for known in document["published"])
    outcome = nas_search("devices")
    assert "NVIDIA H100 80GB HBM3" in outcome.out
    assert "power_limit_w 700" in outcome.out
    assert f"table of cpu: {kept}" in outcome.out
    assert "published rates, for --estimate: " in outcome.out
