"""Searches whose depth and width come first, by a law of networks that are trained by formula."""

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from search_fakes import FAKES, Bench, FakeTable, InlineExecutor, Recorder, essence, fake_train

from nas_search.errors import InputError, RunError
from nas_search.proxies.law import fit_law
from nas_search.proxies.law_points import read_points
from nas_search.proxies.scaling_law import ScalingLaw
from nas_search.search import law_source, law_training
from nas_search.search.config import SearchConfig
from nas_search.search.jobs import Job, Progress
from nas_search.search.study import Study
from nas_search.space.architecture import Architecture

TWO: dict[str, Any] = {"two_stage": {}, "latency_budget": "0.8ms", "sampler": "random", "confirm_members": 2}
LAW_NETWORKS = 12


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas_search.proxies.law_fit.STARTS", 3)
    for module in (law_source, law_training):
        monkeypatch.setattr(module, "fit_law", partial(fit_law, resamples=10))


def by_law(arguments: Mapping[str, Any], run_dir: Path, progress: Progress) -> dict[str, Any]:
    """Bits per byte by a law of depth and width, and a little for each kind of operator."""
    network = Architecture.parse(arguments["architecture"])
    kinds = len({operator.code for operator in network.operators})
    loss = 1 + 2 / network.depth + 20 / network.width - 0.01 * kinds
    return fake_train(arguments, run_dir, progress) | {"bits_per_byte": loss}


class Worker(InlineExecutor):
    """Trains by the law, and is interrupted before job number ``stop_at``."""

    def __init__(self, run_dir: Path, workers: int, stop_at: int | None = None, train: Any = by_law) -> None:
        super().__init__(run_dir, workers, functions=FAKES | {"train": train})
        self.stop_at = stop_at

    def wait(self, timeout_seconds: float) -> Any:
        if len(self.done) == self.stop_at:
            raise KeyboardInterrupt
        return super().wait(timeout_seconds)


@pytest.fixture
def search(bench: Bench) -> Callable[..., Study]:
    def run(name: str = "run", observer: Any = None, make: Any = Worker, **fields: Any) -> Study:
        return bench.run(name, make_executor=make, observer=observer, **(TWO | fields))

    return run


def test_depth_and_width_come_first(search: Callable[..., Study], bench: Bench) -> None:
    observer = Recorder()
    study = search(observer=observer)
    assert [name for name, _ in observer.phases] == ["law", "search", "confirm"]
    assert observer.steps["law"] == dict(observer.phases)["law"] == LAW_NETWORKS
    assert study.facts is not None
    shape = study.facts.shape
    assert shape is not None
    # (a f)x4 at 32 has 1.87 in 0.704 ms, (a f)x2 at 64 has 1.81 in 0.768 ms, (a f)x1 at 96 has 2.21 in 0.672 ms.
    assert (shape.architecture, shape.depth, shape.width) == ("w64 (a f)x2", 4, 64)
    assert shape.loss == pytest.approx(1 + 2 / 4 + 20 / 64 - 0.02, rel=1e-3)
    assert shape.latency == pytest.approx(0.768)
    assert (shape.budget, shape.within) == (0.8, 7)
    assert (shape.tokens, shape.rows, shape.candidates) == (3 * 16_384, LAW_NETWORKS, 12)
    assert shape.held_out[0].error is not None and shape.held_out[0].error.mean < 0.01
    networks = [Architecture.parse(record.architecture) for record in study.records()]
    assert {network.width for network in networks} == set(study.space.widths) == {64}
    assert max(network.depth for network in networks) <= study.space.max_operators == 4
    assert study.space.name == "small-w64-d4" and study.limit_ms == 0.8
    assert sum("error held out: the largest quarter" in note for note in observer.notes) == 1
    table = pd.read_csv(study.run_dir / "law.csv")
    assert len(table) == LAW_NETWORKS and set(table.tokens) == {3 * 16_384}
    assert len(read_points(study.run_dir / "law.csv")) == LAW_NETWORKS
    assert not list((study.run_dir / "checkpoints").glob("law-*"))
    for record in study.records():
        assert set(study.genome(record)) == {gene.name for gene in study.space.genes}


def test_a_budget_in_multiples_is_that_of_the_whole_space(search: Callable[..., Study], bench: Bench) -> None:
    study = search(latency_budget="8x")
    fastest = min(0.032 * (2 + cost) for cost in (1, 2, 3))
    assert study.limit_ms == pytest.approx(8 * fastest)
    assert study.facts is not None and study.facts.shape is not None
    assert study.facts.shape.budget == study.limit_ms


def test_a_budget_that_is_a_shape_s_own_latency(search: Callable[..., Study]) -> None:
    study = search(latency_budget="w64 (a f)x2")
    assert study.facts is not None and study.facts.shape is not None
    assert study.facts.shape.latency == study.facts.shape.budget == study.limit_ms


def test_the_same_call_again_trains_nothing(search: Callable[..., Study]) -> None:
    before = search()
    ran: list[Worker] = []

    def make(run_dir: Path, workers: int) -> Worker:
        ran.append(Worker(run_dir, workers))
        return ran[-1]

    for name in ("law.json", "law.csv"):
        (before.run_dir / name).unlink()
    after = search(make=make)
    assert not ran[0].done and not ran[0].queue
    assert essence(after) == essence(before) and after.facts == before.facts


@pytest.mark.parametrize("stop_at", [1, 11, 12, 20])
def test_interrupted_anywhere_it_finds_the_same(search: Callable[..., Study], stop_at: int) -> None:
    undisturbed = search("undisturbed")
    done: list[Job] = []
    with pytest.raises(KeyboardInterrupt):
        search(make=partial(Worker, stop_at=stop_at))
    ran: list[Worker] = []

    def make(run_dir: Path, workers: int) -> Worker:
        ran.append(Worker(run_dir, workers))
        return ran[-1]

    again = search(make=make)
    done += ran[0].done
    assert sum(job.name.startswith("law-") for job in done) == max(LAW_NETWORKS - stop_at, 0)
    assert essence(again) == essence(undisturbed)
    assert again.facts == undisturbed.facts


def test_interrupted_between_the_law_and_the_study(
    search: Callable[..., Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = search("undisturbed")

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("nas_search.search.run._begin", stop)
        with pytest.raises(KeyboardInterrupt):
            search()
    kept = (undisturbed.run_dir.parent / "run" / "law.json").read_bytes()
    again = search()
    assert (again.run_dir / "law.json").read_bytes() == kept
    assert essence(again) == essence(undisturbed)


def test_a_second_driver_takes_what_the_first_chose(search: Callable[..., Study], bench: Bench) -> None:
    shared = {"storage": f"sqlite:///{bench.folder}/studies.db", "study": "both"}
    first = search("first", **shared, trials=3)
    observer = Recorder()
    second = search("second", observer=observer, **shared, trials=6)
    assert [name for name, _ in observer.phases if name == "law"] == []
    assert first.facts is not None and second.facts == first.facts and first.facts.shape is not None
    assert second.space == first.space and second.space.widths == (64,)
    assert sum(record.trained for record in second.records()) == 6
    assert not (second.run_dir / "law.json").exists()


def test_a_law_that_is_given_is_not_trained(search: Callable[..., Study]) -> None:
    trained = search("trained")
    observer = Recorder()
    for law in ("law.json", "law.csv", "."):
        path = trained.run_dir / law
        if law == ".":  # a run has losses of one width only
            with pytest.raises(InputError, match="width is the same in every row, so it cannot be chosen"):
                search("given-run", two_stage={"law": path})
            continue
        study = search(f"given-{law}", observer=observer, two_stage={"law": path})
        assert "law" not in observer.steps
        assert study.facts is not None and study.facts.shape is not None and trained.facts is not None
        assert str(study.facts.shape) == str(trained.facts.shape) == "depth 4, width 64"
        assert essence(study) == essence(trained)
    assert sum("on what text it was fitted is not known" in note for note in observer.notes) == 1


def test_a_law_of_a_run(search: Callable[..., Study], bench: Bench) -> None:
    bench.run("one", make_executor=Worker, sampler="random", trials=12, tokens=16_384, confirm_members=0)
    study = search("two", two_stage={"law": bench.folder / "one"})
    assert study.facts is not None and study.facts.shape is not None
    assert study.facts.shape.source.endswith("one")
    assert ScalingLaw.load(study.run_dir / "law.json").corpus == study.facts.corpus


def test_another_block_and_another_grid(search: Callable[..., Study]) -> None:
    two_stage = {"block": "m2", "repeats": [1, 2, 4], "widths": [32, 64, 128], "tokens": 20_000}
    study = search(two_stage=two_stage)
    assert study.facts is not None and study.facts.shape is not None
    assert study.facts.shape.architecture.endswith(f"(m2)x{study.facts.shape.depth}")
    table = pd.read_csv(study.run_dir / "law.csv")
    assert set(zip(table.depth, table.width, table.tokens, strict=True)) == {
        (depth, width, 20_000) for depth in (1, 2, 4) for width in (32, 64, 128)
    }


def test_a_space_whose_width_is_derived(search: Callable[..., Study], bench: Bench) -> None:
    study = search(space=str(bench.folder / "derived.yaml"))
    assert {Architecture.parse(record.architecture).width for record in study.records()} == {64}


def test_twins_are_trained_for_the_law_too(search: Callable[..., Study], bench: Bench) -> None:
    wide = bench.folder / "wide.yaml"
    wide.write_text((bench.folder / "gene.yaml").read_text().replace("[32, 64, 96]", "[256, 512, 1024]"))
    study = search(space=str(wide), train_parameters=700_000, latency_budget="6ms")
    assert study.facts is not None and study.facts.twins is not None and study.facts.shape is not None
    assert study.facts.shape.extrapolated
    widths = set(pd.read_csv(study.run_dir / "law.csv").width)
    assert widths == set(study.facts.twins.widths.values()) and max(widths) < 256
    assert study.facts.shape.width in {256, 512, 1024}


def test_what_other_runs_told_is_that_of_the_second_space(search: Callable[..., Study], bench: Bench) -> None:
    bench.run("one", make_executor=Worker, sampler="random", trials=12, confirm_members=0)
    study = search("two", sampler="bayes", warm_start=[bench.folder / "one"], trials=4)
    assert study.prior.runs[0].trials
    assert {Architecture.parse(record.architecture).width for record in study.records()} == {64}
    within = study.prior.within(study.space)
    assert len(within.runs[0].trials) + within.runs[0].outside == len(study.prior.runs[0].trials)
    for trial in within.runs[0].trials:
        assert study.space.decode(trial.genome).notation == trial.architecture


def test_networks_that_fail_are_left_out(search: Callable[..., Study]) -> None:
    def some_fail(arguments: Mapping[str, Any], run_dir: Path, progress: Progress) -> dict[str, Any]:
        result = by_law(arguments, run_dir, progress)
        failed = arguments["architecture"] == "w96 (a f)x4"
        return result | {"bits_per_byte": None, "failure": "loss not finite at step 3"} if failed else result

    observer = Recorder()
    study = search(observer=observer, make=partial(Worker, train=some_fail))
    assert "law: w96 (a f)x4 is left out, loss not finite at step 3" in observer.notes
    assert study.facts is not None and study.facts.shape is not None and study.facts.shape.rows == LAW_NETWORKS - 1


def test_too_many_that_fail_end_the_run_and_keep_it(search: Callable[..., Study], bench: Bench) -> None:
    def all_fail(arguments: Mapping[str, Any], run_dir: Path, progress: Progress) -> dict[str, Any]:
        return by_law(arguments, run_dir, progress) | {"bits_per_byte": None, "failure": "loss not finite at step 3"}

    with pytest.raises(RunError, match="no law to choose by: not one of 12 networks could be trained"):
        search(make=partial(Worker, train=all_fail))
    assert (bench.folder / "run" / "config.yaml").exists()

    def most_fail(arguments: Mapping[str, Any], run_dir: Path, progress: Progress) -> dict[str, Any]:
        fails = "w32" not in arguments["architecture"]
        return all_fail(arguments, run_dir, progress) if fails else by_law(arguments, run_dir, progress)

    with pytest.raises(
        RunError, match=r"no law to choose by: law of 4 networks that this search trained: no term of width"
    ):
        search("most", make=partial(Worker, train=most_fail))


def made_law(folder: Path, **changes: Any) -> Path:
    """A file of a law of depth and width."""
    values = {"a": 2.0, "alpha": 1.0, "b": 20.0, "beta": 1.0}
    fields: dict[str, Any] = {
        "source": "made", "loss": "loss", "rows": 9, "dropped": ["tokens"],
        "observed": {
            "depth": {"values": [2.0, 4.0, 8.0], "mean": 4.0},
            "width": {"values": [32.0, 64.0, 96.0], "mean": 60.0},
            "tokens": {"values": [1e6], "mean": 1e6},
        },
        "coefficients": {
            name: {"value": value, "low": value, "high": value} for name, value in ({"L0": 1.0} | values).items()
        },
        "resampling": "none", "resamples": [[1.0, *values.values()]],
        "error": {"n": 9, "mean": 0.01, "greatest": 0.02}, "held_out": [],
    }  # fmt: skip
    path = folder / "made.json"
    path.write_text(json.dumps(fields | changes))
    return path


def test_bad_input_is_told_before_anything_is_trained(search: Callable[..., Study], bench: Bench) -> None:
    one_width = bench.folder / "narrow.yaml"
    one_width.write_text((bench.folder / "gene.yaml").read_text().replace("[32, 64, 96]", "[64]"))
    shallow = bench.folder / "shallow.yaml"
    shallow.write_text((bench.folder / "gene.yaml").read_text().replace("max_operators: 8", "max_operators: 6"))
    few = bench.folder / "few.csv"
    few.write_text("depth,width,tokens,loss\n2,32,1e6,3\n4,64,1e6,2.5\n8,96,1e6,2.2\n")
    cases: list[tuple[dict[str, Any], str]] = [
        ({"latency_budget": None}, "two_stage: depth and width are chosen for a latency; give latency_budget"),
        ({"space": str(one_width)}, r"space small has 1 width for blocks of 2 operators, so there is no width"),
        ({"two_stage": {"block": "a f a f a f a f"}}, "space small has 1 depth for blocks of 8 operators"),
        ({"two_stage": {"block": "gla f"}}, r"block: gla is not in the space small.*there are a, m2, d, f"),
        ({"two_stage": {"block": "a g"}}, "column"),
        ({"two_stage": {"block": "a f a f"}}, r"two_stage: repeats: 1, 2; a law takes 3 different ones"),
        ({"two_stage": {"widths": [32, 64]}}, r"two_stage: widths: 32, 64; a law takes 3 different ones"),
        ({"two_stage": {"widths": [32, 64, 7]}}, "of width 7 with the block 1 times"),
        ({"two_stage": {"tokens": 600}}, "less than the warm-up of 2048"),
        ({"two_stage": {"law": few}}, r"3 rows with 3 different combinations of depth and width, and the law has 5"),
        ({"two_stage": {"law": bench.folder / "none.csv"}}, "no such file"),
        ({"two_stage": {"law": few, "widths": [1, 2, 3]}}, r"widths: of networks that are trained for a law; with law"),
        ({"two_stage": {"law": made_law(bench.folder, corpus="0123456789abcdef")}}, "of losses on another text"),
        ({"two_stage": {"colour": "red"}}, "colour"),
        ({"latency_budget": "0.13ms"}, r"none of 12 candidates meets it; the fastest is w32 a f with 0\.224 ms"),
    ]
    for fields, message in cases:
        with pytest.raises(InputError, match=message) as caught:
            search("bad", **fields)
        assert "\n" not in str(caught.value)
        assert not (bench.folder / "bad").exists()


@pytest.mark.parametrize("budget", ["0.13ms", "0.000001ms"])
def test_a_table_that_was_recorded_is_not_lost(search: Callable[..., Study], bench: Bench, budget: str) -> None:
    """Neither if no shape meets the budget nor if no member does."""
    with pytest.raises(InputError, match=r"the fastest is .* spares another recording") as caught:
        search("bad", table=None, latency_budget=budget)
    assert not (bench.folder / "bad").exists()
    kept = Path(str(caught.value).partition("--table ")[2].split()[0])
    assert FakeTable.load(kept).hash == FakeTable.load(bench.table).hash
    kept.unlink()


def test_the_law_is_part_of_what_a_run_was_begun_with(search: Callable[..., Study], bench: Bench) -> None:
    law = made_law(bench.folder)
    study = search(two_stage={"law": law})
    assert study.facts is not None and str(study.facts.shape) == "depth 4, width 64"
    law.unlink()  # the run keeps its own
    assert search(two_stage={"law": law}).facts == study.facts
    with pytest.raises(InputError, match="begun with two_stage"):
        search()


def test_paths_are_resolved_and_a_search_of_one_stage_has_no_law(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(bench.folder)
    config = SearchConfig.checked({"two_stage": {"law": "law.json"}, "latency_budget": "1ms"}).resolved()
    assert config.two_stage is not None and config.two_stage.law == bench.folder / "law.json"
    study = bench.run("run", trials=2)
    assert study.facts is not None and study.facts.shape is None
    assert not (study.run_dir / "law.json").exists()
