"""Searches that begin with what others found out."""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from search_fakes import FAKES, Bench, FakeTable, InlineExecutor, Recorder, essence, failing_train

from nas_search.search.problem import PriorSource, SearchProblem
from nas_search.search.samplers import factory
from nas_search.search.space_members import SpaceMembers
from nas_search.search.study import Study
from nas_search.space.architecture import Architecture

RANDOM: dict[str, Any] = {"sampler": "random", "confirm_members": 0}
"""Proposals of equal seeds are equal, whatever else a search is told."""
ONE_RUNG = RANDOM | {"tokens": 16_384}
"""So that whatever one search trained, another one would train as far."""


@pytest.fixture(autouse=True)
def any_sampler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any sampler may be warm-started: here it only matters what it gets."""
    monkeypatch.setattr(factory, "WARM_SAMPLERS", frozenset({"random", "evolution"}))


@pytest.fixture
def problems(monkeypatch: pytest.MonkeyPatch) -> list[SearchProblem]:
    """The problem of every proposal, as the sampler sees it."""
    seen: list[SearchProblem] = []
    make = factory._FACTORIES["random"]

    def spy(problem: SearchProblem, *rest: Any) -> Any:
        seen.append(problem)
        return make(problem, *rest)

    monkeypatch.setitem(factory._FACTORIES, "random", spy)
    return seen


@pytest.fixture
def other(bench: Bench) -> Path:
    """The table of another device, on which every latency is different, and so is their order."""
    table = FakeTable.of(bench.space())
    table.costs = {notation: 9.0 / cost**2 for notation, cost in table.costs.items()}
    table.save(bench.folder / "other.parquet")
    return bench.folder / "other.parquet"


def source_of(problems: list[SearchProblem]) -> PriorSource:
    (source,) = problems[-1].prior
    return source


def scored(study: Study) -> list[Any]:
    return [record for record in study.records() if record.state in {"complete", "stopped"}]


def jobs_done(executor: InlineExecutor) -> set[str]:
    return {job.name for job in executor.done if "-rung" in job.name}


class Keeper:
    """Makes executors and keeps them."""

    def __init__(self) -> None:
        self.executors: list[InlineExecutor] = []

    def __call__(self, run_dir: Path, workers: int) -> InlineExecutor:
        self.executors.append(InlineExecutor(run_dir, workers))
        return self.executors[-1]


def test_what_was_trained_for_another_device_is_not_trained_again(bench: Bench, other: Path) -> None:
    first = bench.run("a", trials=6, **ONE_RUNG)
    observer, keeper = Recorder(), Keeper()
    fields = ONE_RUNG | {"table": other, "warm_start": [bench.folder / "a"], "trials": 4}
    second = bench.run("b", keeper, observer, **fields)
    reused = [record for record in second.records() if record.reused]
    known = {record.fingerprint: record for record in scored(first)}
    assert {record.fingerprint for record in reused} == set(known)  # random proposals are those of the first search
    for record in reused:
        assert (record.state, record.seconds, record.trained_here) == ("complete", 0.0, False)
        assert record.bits_per_byte == known[record.fingerprint].bits_per_byte
        assert record.latency_ms != known[record.fingerprint].latency_ms
    trained = {record.fingerprint for record in second.records() if record.trained_here}
    assert len(trained) == 4
    assert jobs_done(keeper.executors[0]) == {f"{fingerprint}-rung0" for fingerprint in trained}
    assert f"warm start: 6 trials of {bench.folder / 'a'} (same score)" in observer.notes
    assert "warm start: 6 of 10 candidates took no training here" in observer.notes
    assert observer.steps["search"] == 4


def test_only_what_is_missing_is_trained(bench: Bench) -> None:
    first = bench.run("a", trials=8, **RANDOM)
    *_, lacking = (record for record in first.records() if record.state == "complete")
    top = len(lacking.rung_scores) - 1
    (bench.folder / "a" / "jobs" / f"{lacking.fingerprint}-rung{top}.json").unlink()
    keeper = Keeper()
    second = bench.run("b", keeper, trials=1, **RANDOM, warm_start=[bench.folder / "a"])
    (trained,) = [record for record in second.records() if record.trained_here]
    assert trained.fingerprint == lacking.fingerprint
    assert jobs_done(keeper.executors[0]) == {f"{lacking.fingerprint}-rung{top}"}
    assert (trained.seconds, trained.reused) == (1.0, False)
    assert trained.rung_scores == lacking.rung_scores
    others = [record for record in second.records() if record.number < trained.number]
    assert others and all(record.reused for record in others)


@pytest.mark.parametrize("change", [{"seed": 1}, {"lowest_rung": 9 * 16_384}])
def test_trainings_of_other_arguments_are_only_observations(
    bench: Bench, problems: list[SearchProblem], change: dict[str, Any]
) -> None:
    bench.run("a", trials=4, **RANDOM, **change)
    second = bench.run("b", trials=4, **RANDOM, warm_start=[bench.folder / "a"])
    assert source_of(problems).same_score
    assert not any(record.reused for record in second.records())


def test_the_sampler_sees_losses_and_features(bench: Bench, problems: list[SearchProblem]) -> None:
    first = bench.run("a", trials=8, **RANDOM)
    bench.run("b", trials=1, **RANDOM, warm_start=[bench.folder / "a"])
    source, space, records = source_of(problems), bench.space(), scored(first)
    assert any(record.extrapolated for record in records)
    assert [space.decode(genome).notation for genome in source.genomes] == [r.architecture for r in records]
    assert source.losses.tolist() == [record.bits_per_byte for record in records]
    assert source.loss_sd.tolist() == [record.loss_sd or 0.0 for record in records]
    assert np.array_equal(source.features, problems[-1].members.features(source.genomes))


@pytest.mark.parametrize(
    "change",
    [{"tokens": 27 * 16_384}, {"recipe": {"warmup_tokens": 1024}}, {"data": "{text}"}, {"tokenizer": "bpe:300"}],
)
def test_another_score_only_informs(bench: Bench, problems: list[SearchProblem], change: dict[str, Any]) -> None:
    """Also where another tokenizer gave every architecture another vocabulary."""
    text = bench.folder / "other.txt"
    text.write_text(bench.text.read_text().upper())
    bench.run("a", trials=3, **RANDOM, **{k: str(text) if v == "{text}" else v for k, v in change.items()})
    observer = Recorder()
    second = bench.run("b", trials=3, **RANDOM, warm_start=[bench.folder / "a"], observer=observer)
    source = source_of(problems)
    assert (source.same_score, len(source.losses)) == (False, 3)
    assert not any(record.reused for record in second.records())
    assert f"warm start: 3 trials of {bench.folder / 'a'} (another score, it only informs)" in observer.notes


def test_other_twins_are_another_score(bench: Bench, problems: list[SearchProblem]) -> None:
    text = (bench.folder / "gene.yaml").read_text().replace("[32, 64, 96]", "[64, 128, 256]")
    (bench.folder / "wide.yaml").write_text(text)
    fields: dict[str, Any] = {"space": str(bench.folder / "wide.yaml"), "trials": 3, **ONE_RUNG}
    bench.run("a", train_parameters=1_000_000, **fields)
    same = bench.run("b", train_parameters=1_000_000, warm_start=[bench.folder / "a"], **fields)
    assert source_of(problems).same_score
    assert sum(record.reused for record in same.records()) == 3
    assert all(record.scored_as for record in same.records())
    bench.run("c", train_parameters=20_000_000, warm_start=[bench.folder / "a"], **fields)
    assert not source_of(problems).same_score


def test_widths_that_follow_from_a_limit(bench: Bench, problems: list[SearchProblem]) -> None:
    """A genome builds another width here; its loss still stands beside the features of the width that was trained."""
    derived = str(bench.folder / "derived.yaml")
    first = bench.run("a", trials=6, **RANDOM, space=derived, latency_budget="0.6ms")
    bench.run("b", trials=1, **RANDOM, space=derived, latency_budget="2ms", warm_start=[bench.folder / "a"])
    source, members = source_of(problems), problems[-1].members
    architectures = [Architecture.parse(record.architecture) for record in scored(first)]
    space = bench.space("derived")
    built = [space.decode(genome, one.width) for genome, one in zip(source.genomes, architectures, strict=True)]
    assert built == architectures
    assert isinstance(members, SpaceMembers)
    assert np.array_equal(source.features, members.architecture_features(architectures))
    assert not np.array_equal(source.features, members.features(source.genomes))


def test_architectures_of_another_space_are_left_out(bench: Bench, problems: list[SearchProblem]) -> None:
    first = bench.run("a", trials=8, **RANDOM)
    text = (bench.folder / "gene.yaml").read_text().replace("[32, 64, 96]", "[32, 64]")
    (bench.folder / "narrow.yaml").write_text(text)
    observer, narrow = Recorder(), str(bench.folder / "narrow.yaml")
    bench.run("b", trials=2, **RANDOM, space=narrow, warm_start=[bench.folder / "a"], observer=observer)
    left_out = sum(record.architecture.startswith("w96") for record in scored(first))
    assert 1 < left_out < 8
    assert len(source_of(problems).losses) == 8 - left_out
    note = f"warm start: {8 - left_out} trials of {bench.folder / 'a'} (same score), {left_out} architectures not in "
    assert any(text.startswith(note) for text in observer.notes)


def test_over_limit_failed_and_repeated_trials_tell_nothing(bench: Bench, problems: list[SearchProblem]) -> None:
    def fragile(run_dir: Path, workers: int) -> InlineExecutor:
        return InlineExecutor(run_dir, workers, functions={**FAKES, "train": failing_train})

    first = bench.run("a", fragile, trials=12, latency_budget="0.5ms", **RANDOM)
    states = {record.state for record in first.records()}
    assert {"over_limit", "failed"} < states
    bench.run("b", trials=1, **RANDOM, warm_start=[bench.folder / "a"])
    assert source_of(problems).losses.tolist() == [record.bits_per_byte for record in scored(first)]


def test_two_runs_of_which_one_took_over_trials_of_the_other(bench: Bench, problems: list[SearchProblem]) -> None:
    first, a, b = bench.run("a", trials=4, **ONE_RUNG), bench.folder / "a", bench.folder / "b"
    second = bench.run("b", trials=3, warm_start=[a], **ONE_RUNG)
    third = bench.run("c", trials=1, warm_start=[a, b], **ONE_RUNG)
    assert [len(source.losses) for source in problems[-1].prior] == [4, 3]
    assert sum(record.reused for record in third.records()) == 7
    fourth = bench.run("d", trials=1, warm_start=[b], **ONE_RUNG)  # which took over all of the first
    assert {record.fingerprint for record in fourth.records() if record.reused} == {
        record.fingerprint for record in (*scored(first), *scored(second))
    }
    nothing_new = bench.run("e", trials=1, warm_start=[b, a], **ONE_RUNG)
    assert len(problems[-1].prior) == 1
    assert [len(run.trials) for run in nothing_new.prior.runs] == [7, 0]


@pytest.mark.parametrize("become", [shutil.rmtree, lambda path: (path / "study.journal").write_text("?\n?\n")])
def test_a_resumed_run_does_not_need_the_other_one(bench: Bench, other: Path, become: Callable[[Path], Any]) -> None:
    bench.run("a", trials=6, sampler="evolution")
    fields: dict[str, Any] = {"table": other, "warm_start": [bench.folder / "a"], "sampler": "evolution", "seed": 3}
    undisturbed = bench.run("undisturbed", trials=8, **fields)
    bench.run("b", trials=3, **fields)
    become(bench.folder / "a")
    resumed = bench.run("b", trials=8, **fields)
    assert essence(resumed) == essence(undisturbed)
    assert resumed.facts == undisturbed.facts


def test_a_resumed_run_does_not_see_the_other_one_go_on(bench: Bench) -> None:
    bench.run("a", trials=3, **ONE_RUNG)
    before = bench.run("b", trials=2, warm_start=[bench.folder / "a"], **ONE_RUNG)
    bench.run("a", trials=6, **ONE_RUNG)
    after = bench.run("b", trials=4, warm_start=[bench.folder / "a"], **ONE_RUNG)
    assert after.facts == before.facts
    assert len(after.prior.runs[0].trials) == 3
    anew = bench.run("c", trials=2, warm_start=[bench.folder / "a"], **ONE_RUNG)
    assert anew.facts is not None and before.facts is not None
    assert anew.facts.warm_start != before.facts.warm_start


def test_the_hash_is_that_of_what_was_told(bench: Bench) -> None:
    cold = bench.run("a", trials=3, **ONE_RUNG)
    shutil.copytree(bench.folder / "a", bench.folder / "copy")
    one = bench.run("b", trials=1, warm_start=[bench.folder / "a"], **ONE_RUNG)
    same = bench.run("c", trials=1, warm_start=[bench.folder / "copy"], **ONE_RUNG)
    assert cold.facts is not None and cold.facts.warm_start is None
    assert one.facts is not None and one.facts.warm_start is not None
    assert one.facts == same.facts
    assert one.facts.model_copy(update={"warm_start": None}) == cold.facts


def test_killed_before_all_is_kept(bench: Bench) -> None:
    """Trainings are taken over first, then the file is written, then the study begins."""
    bench.run("a", trials=4, **ONE_RUNG)
    fields = ONE_RUNG | {"warm_start": [bench.folder / "a"], "trials": 3}
    undisturbed = bench.run("undisturbed", **fields)
    bench.run("b", **fields)
    for name in ("warm_start.json", "study.journal", "events.jsonl"):
        (bench.folder / "b" / name).unlink()
    for path in sorted((bench.folder / "b" / "jobs").glob("*rung0.json"))[::2]:
        path.unlink()
    assert essence(bench.run("b", **fields)) == essence(undisturbed)


def test_deterministic_workers_find_the_same_whoever_is_first(bench: Bench, other: Path) -> None:
    """Candidates that take no training are told at once, and still everything is proposed from the same history."""
    bench.run("a", trials=6, sampler="random", confirm_members=0)
    fields: dict[str, Any] = {"table": other, "warm_start": [bench.folder / "a"], "deterministic": True, "workers": 3}
    fields |= {"sampler": "evolution", "sampler_options": {"population": 12, "sample_size": 2}, "confirm_members": 0}
    found = [essence(bench.run(f"b{order}", partial(InlineExecutor, order=order), **fields)) for order in range(3)]
    for trials in (1, 3, 6):
        bench.run("parts", trials=trials, **fields)
    assert found[0] == found[1] == found[2] == essence(Study.open(bench.folder / "parts"))
    assert sum(record.reused for record in Study.open(bench.folder / "parts").records()) > 3
