"""Whole searches with limits and several objectives, with training by formula."""

from pathlib import Path
from typing import Any

import pytest
from search_fakes import FAKES, Bench, FakeTable, Recorder, essence, executor_with

from nas_search.errors import InputError
from nas_search.search.front import nondominated
from nas_search.search.samplers.names import sampler_names

THREE: dict[str, Any] = {
    "objectives": ["loss", "throughput:2048"],
    "limits": ["memory:64<=0.25MiB", "prefill:64<=0.8ms"],
}


def test_candidates_over_the_limit_cost_proposals_but_no_training(bench: Bench) -> None:
    study = bench.run("run", latency_budget="0.5ms", trials=6, sampler="random")
    slow = [record for record in study.records() if record.state == "over_limit"]
    assert slow and all(record.latency_ms > 0.5 and record.rung_scores == () for record in slow)
    assert all(record.latency_ms <= 0.5 for record in study.records() if record.trained)
    jobs = {path.name.split("-")[0] for path in (bench.folder / "run" / "jobs").glob("*-rung0.json")}
    assert jobs == {record.fingerprint for record in study.records() if record.trained}


def test_three_objectives_and_two_limits(bench: Bench) -> None:
    observer = Recorder()
    study = bench.run("run", observer=observer, trials=16, table=None, sampler="random", **THREE)
    records = study.records()
    names = ["decode:64", "throughput:2048", "memory:64", "prefill:64"]
    assert all(list(record.figures) == names for record in records)
    assert all(record.latency_ms == record.figures["decode:64"] for record in records)
    over = [r for r in records if r.figures["memory:64"] > 0.25 or r.figures["prefill:64"] > 0.8]
    assert over and [record for record in records if record.state == "over_limit"] == over
    assert sum(record.trained for record in records) == 16
    front = study.front()
    assert len(front) > len(nondominated([study.goals.point(record)[:2] for record in front]))
    confirmed = [record for record in front if record.confirmed]
    assert len(confirmed) == 4
    for record in confirmed:
        assert record.measured("throughput:2048").value == pytest.approx(1.05 * record.figures["throughput:2048"])
        assert record.measured("memory:64").unit == "MiB"
    assert observer.steps["confirm"] == dict(observer.phases)["confirm"] == 4 + 4 * 2
    winner = study.winner()
    assert winner is not None and winner.measured("memory:64").value <= 0.25
    assert study.hypervolume() > 0


def test_one_table_is_recorded_for_all_workloads(bench: Bench) -> None:
    asked: list[list[str]] = []

    def record(arguments: Any, run_dir: Path, progress: Any) -> Any:
        asked.append(arguments["workloads"])
        return FAKES["record_table"](arguments, run_dir, progress)

    bench.run("run", executor_with(record_table=record), table=None, trials=1, **THREE)
    assert asked == [["decode:64", "throughput:2048", "memory:64", "prefill:64"]]


@pytest.mark.parametrize("sampler", [name for name in sampler_names() if name != "gp"])
def test_every_sampler_resumes_with_three_objectives(bench: Bench, sampler: str) -> None:
    bench.run("run", sampler=sampler, trials=6, **THREE)
    again = bench.run("run", sampler=sampler, trials=14, **THREE)
    assert essence(again) == essence(bench.run("straight", sampler=sampler, trials=14, **THREE))
    assert sum(record.trained for record in again.records()) == 14


def test_a_candidate_is_only_stopped_if_one_of_the_top_rung_is_as_good_in_everything_known(bench: Bench) -> None:
    records = bench.run("run", trials=24, sampler="random", objectives=["loss", "parameters"]).records()
    stopped = [record for record in records if record.state == "stopped"]
    assert stopped
    for record in stopped:
        earlier = [other for other in records[: record.proposal_index] if other.state == "complete"]
        assert any(all(other.figures[name] <= value for name, value in record.figures.items()) for other in earlier)


def test_limits_that_nothing_keeps_end_the_run_with_a_note(bench: Bench) -> None:
    observer = Recorder()
    study = bench.run("run", observer=observer, trials=2, limits=["parameters<=10"])
    assert {record.state for record in study.records()} <= {"over_limit", "duplicate"}
    assert study.winner() is None
    count = len(study.records())
    assert f"none of {count} proposals is within the limits (parameters<=10): nothing was trained" in observer.notes


def test_derived_widths_keep_all_limits(bench: Bench) -> None:
    fields = {"space": str(bench.folder / "derived.yaml"), "sampler": "random", "trials": 8}
    study = bench.run("run", limits=["parameters<=50K"], **fields)
    assert all(record.parameters <= 50_000 for record in study.records() if record.trained)
    assert len({record.architecture.split()[0] for record in study.records() if record.trained}) > 1


def test_proposals_are_limited(bench: Bench) -> None:
    study = bench.run("run", latency_budget="1.0x", trials=3, proposals=7)
    assert len(study.records()) == 7


def test_derived_widths_are_the_widest_within_the_limit(bench: Bench) -> None:
    study = bench.run("run", space=str(bench.folder / "derived.yaml"), latency_budget="0.8ms", trials=6)
    trained = [record for record in study.records() if record.trained]
    assert len(trained) == 6
    for record in trained:
        width = int(record.architecture.split()[0][1:])
        wider = {32: 64, 64: 96}.get(width)
        assert wider is None or record.latency_ms / width * wider > 0.8


def test_a_table_recorded_for_an_impossible_budget_is_kept(bench: Bench) -> None:
    with pytest.raises(InputError, match="--table") as error:
        bench.run("run", table=None, latency_budget="0.001ms")
    kept = str(error.value).split("--table ")[1].split()[0]
    assert FakeTable.load(Path(kept)).hash == FakeTable.load(bench.table).hash
    assert not (bench.folder / "run").exists()


def test_budget_of_an_architecture(bench: Bench) -> None:
    study = bench.run("known", latency_budget="w64 a m2", trials=2)
    assert study.limit_ms == pytest.approx(0.064 * (2 + 1 + 2))
    measured = bench.run("measured", latency_budget="w64 swa[window=8] f", trials=2)
    assert measured.limit_ms == 0.5
