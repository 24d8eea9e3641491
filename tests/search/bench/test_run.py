"""Benchmarks from a file to figures: kept, gone on with, and told apart."""

import json
from pathlib import Path

import pytest
from bench_fakes import InProcess, frame, setting

from nas_search.errors import InputError, RunError
from nas_search.search.bench.result import BenchResult
from nas_search.search.bench.run import run_benchmark
from nas_search.search.bench.setting import BenchSetting

TIMES = {"seconds_per_proposal"}


def bench(table: Path, asked: BenchSetting, out: Path | None = None, processes: int = 1) -> BenchResult:
    return run_benchmark(table, asked, out=out, processes=processes, progress=lambda done, total: None)


def figures(result: BenchResult) -> dict[str, object]:
    """Everything that is the same again."""
    return result.model_dump(exclude=TIMES)


def test_a_whole_table_is_found_in_the_end(table: Path, executors: list[InProcess]) -> None:
    result = bench(table, setting("random", "evolution", trials=24))
    assert (result.rows, result.n_seeds, result.reach_budget) == (24, 2, 24)
    assert result.reference == pytest.approx({"latency": 4.84 + 0.1 * 4.52, "loss": 3.74 + 0.1 * 0.98})
    for estimates in result.hypervolume.values():
        assert list(estimates) == [1, 2, 4, 8, 10, 16, 24]
        means = [estimate.mean for estimate in estimates.values()]
        assert means == sorted(means)
        assert all(mean <= result.possible[budget] + 1e-12 for budget, mean in zip(estimates, means, strict=True))
        assert means[-1] > 0.98
    assert result.evaluations_to_reach.keys() == {"random", "evolution"}
    assert result.seconds_per_proposal["random"].n >= 48


@pytest.mark.usefixtures("executors")
def test_samplers_are_compared_both_ways(table: Path) -> None:
    result = bench(table, setting("random", "random-known", trials=10, seeds=3))
    there, back = result.differences["random"]["random-known"], result.differences["random-known"]["random"]
    means = {name: estimates[10].mean for name, estimates in result.hypervolume.items()}
    assert list(there) == [1, 2, 4, 8, 10]
    assert there[10].mean == pytest.approx(means["random"] - means["random-known"])
    assert (back[10].low, back[10].high) == pytest.approx((-there[10].high, -there[10].low), abs=1e-3)


@pytest.mark.usefixtures("executors")
def test_seconds_are_simulated_where_the_table_has_costs(table: Path) -> None:
    assert bench(table, setting("random")).simulated_seconds == {}
    seconds = bench(table, setting("random", cost="seconds", trials=24)).simulated_seconds
    assert seconds["random"] is not None
    assert seconds["random"] <= frame().seconds.sum()


def test_an_interrupted_benchmark_goes_on(
    table: Path, tmp_path: Path, executors: list[InProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, out = setting("random", "evolution", seeds=3), tmp_path / "out"
    monkeypatch.setattr(InProcess, "interrupt_after", 4)
    with pytest.raises(KeyboardInterrupt):
        bench(table, asked, out)
    monkeypatch.setattr(InProcess, "interrupt_after", None)
    result = bench(table, asked, out)
    assert [len(executor.submitted) for executor in executors] == [6, 2]
    assert figures(result) == figures(bench(table, asked))
    assert bench(table, asked, out) == result
    assert len(executors[-1].submitted) == 0


def test_other_samplers_and_seeds_are_added(table: Path, tmp_path: Path, executors: list[InProcess]) -> None:
    bench(table, setting("random"), tmp_path)
    bench(table, setting("random", "evolution", seeds=3), tmp_path)
    assert len(executors[-1].submitted) == 1 + 3


@pytest.mark.parametrize(
    "change", [{"trials": 9}, {"workers": 2}, {"cost": "seconds"}, {"genes": ("kind", "depth", "width")}]
)
def test_other_options_have_results_of_their_own(
    table: Path, tmp_path: Path, executors: list[InProcess], change: dict[str, object]
) -> None:
    first = bench(table, setting("random"), tmp_path)
    bench(table, setting("random", **change), tmp_path)
    assert len(executors[-1].submitted) == 2
    assert bench(table, setting("random"), tmp_path) == first


def test_another_table_of_the_same_name_is_another_benchmark(
    table: Path, tmp_path: Path, executors: list[InProcess]
) -> None:
    bench(table, setting("random"), tmp_path / "out")
    frame().assign(bits=lambda rows: rows.bits + rows.width / 7).to_csv(table, index=False)
    bench(table, setting("random"), tmp_path / "out")
    assert len(executors[-1].submitted) == 2


def test_our_samplers_are_run_again_when_their_sources_change(
    table: Path, tmp_path: Path, executors: list[InProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench(table, setting("evolution", "nsga2"), tmp_path)
    monkeypatch.setattr("nas_search.search.bench.setting.source_hash", lambda: "other")
    bench(table, setting("evolution", "nsga2"), tmp_path)
    assert [job.arguments["sampler"] for job in executors[-1].submitted] == ["evolution", "evolution"]


def test_other_versions_are_another_benchmark(
    table: Path, tmp_path: Path, executors: list[InProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench(table, setting("nsga2"), tmp_path)
    monkeypatch.setattr("nas_search.search.bench.setting.versions", lambda: {"optuna": "99"})
    bench(table, setting("nsga2"), tmp_path)
    assert len(executors[-1].submitted) == 2


@pytest.mark.parametrize("content", ["{", '{"kind": "replay"}', None])
def test_a_damaged_result_is_made_again(
    table: Path, tmp_path: Path, executors: list[InProcess], content: str | None
) -> None:
    result = bench(table, setting("random"), tmp_path)
    path = min((tmp_path / "jobs").iterdir())
    stored = json.loads(path.read_text())
    path.write_text(content or json.dumps(stored | {"result": {"rows": "all"}}))
    assert figures(bench(table, setting("random"), tmp_path)) == figures(result)
    assert len(executors[-1].submitted) == 1


@pytest.mark.usefixtures("executors")
def test_a_replay_that_fails_is_named_and_the_others_are_kept(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object) -> None:
        raise ArithmeticError("no luck")

    monkeypatch.setattr("nas_search.search.bench.ablations.random_known.random_known", broken)
    with pytest.raises(RunError, match=r"2 of 4 replays failed, random-known-0-\w+: ArithmeticError: no luck"):
        bench(table, setting("random-known", "random"), tmp_path)
    assert len(list((tmp_path / "jobs").glob("random-?-*.json"))) == 2


@pytest.mark.usefixtures("executors")
def test_nothing_is_left_behind_without_a_folder(table: Path, tmp_path: Path) -> None:
    bench(table, setting("random"))
    assert list(tmp_path.iterdir()) == [table]


@pytest.mark.usefixtures("executors")
@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (setting("random", trials=25), "25 trials: the table has only 24 rows"),
        (setting("random", "random"), "sampler random: given twice"),
        (setting("random", "tpee"), "unknown sampler 'tpee'"),
    ],
)
def test_what_cannot_be_asked(table: Path, asked: BenchSetting, message: str) -> None:
    with pytest.raises(InputError, match=message):
        bench(table, asked)


def test_a_table_without_a_trade_is_refused_before_anything_runs(
    table: Path, tmp_path: Path, executors: list[InProcess]
) -> None:
    frame().assign(ms=1.0).to_csv(table, index=False)
    with pytest.raises(InputError, match="the latency of all rows is the same"):
        bench(table, setting("random"), tmp_path / "out")
    assert executors == []
    assert not (tmp_path / "out").exists()


def test_out_must_be_a_folder(table: Path) -> None:
    with pytest.raises(InputError, match="cannot be a folder for results"):
        bench(table, setting("random"), table)


def test_results_are_the_same_whatever_the_number_of_processes(table: Path, tmp_path: Path) -> None:
    asked = setting("random", "evolution", "tpe", trials=12, seeds=2)
    one, two = (bench(table, asked, tmp_path / f"{count}", processes=count) for count in (1, 2))
    assert figures(one) == figures(two)
