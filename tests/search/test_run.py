"""Whole searches, with training by formula."""

import threading
from pathlib import Path
from typing import Any

import pytest
from search_fakes import Bench, FakeTable, InlineExecutor, Recorder, essence, few_members

from nas_search.search.ledger import EXHAUSTED_AFTER
from nas_search.search.samplers.names import sampler_names
from nas_search.search.study import Study


@pytest.mark.parametrize("sampler", [name for name in sampler_names() if name != "gp"])
def test_a_search_trains_as_many_as_asked_and_confirms_its_front(bench: Bench, sampler: str) -> None:
    observer = Recorder()
    study = bench.run("run", observer=observer, sampler=sampler, trials=8)
    records = study.records()
    assert sum(record.trained for record in records) == 8
    assert [record.proposal_index for record in records] == list(range(len(records)))
    fingerprints = [record.fingerprint for record in records if record.trained]
    assert len(set(fingerprints)) == 8
    confirmed = [record for record in study.front() if record.confirmed is not None]
    assert len(confirmed) == min(len(study.front()), study.config.confirm_members)
    assert [name for name, _ in observer.phases] == ["search", "confirm"]
    assert observer.steps["search"] == 8
    assert observer.steps["confirm"] == dict(observer.phases)["confirm"]
    assert [record.number for record in observer.trials] == [record.number for record in records]


def test_without_a_table_one_is_recorded_first(bench: Bench) -> None:
    observer = Recorder()
    study = bench.run("run", observer=observer, table=None)
    assert [name for name, _ in observer.phases] == ["table", "search", "confirm"]
    assert study.table.hash == FakeTable.load(bench.table).hash
    assert observer.steps["table"] == 100


def test_the_same_call_again_changes_nothing(bench: Bench) -> None:
    before = bench.run("run")
    journal = (bench.folder / "run" / "study.journal").read_bytes()
    ran: list[InlineExecutor] = []

    def make(run_dir: Path, workers: int) -> InlineExecutor:
        ran.append(InlineExecutor(run_dir, workers))
        return ran[-1]

    after = bench.run("run", make_executor=make)
    assert essence(after) == essence(before)
    assert after.winner() == before.winner()
    assert (bench.folder / "run" / "study.journal").read_bytes() == journal
    assert ran[0].done == []


def test_a_finished_run_goes_on_with_more_trials(bench: Bench) -> None:
    bench.run("run", trials=4)
    assert essence(bench.run("run", trials=9)) == essence(bench.run("straight", trials=9))


def test_stopped_trials_never_enter_the_front(bench: Bench) -> None:
    study = bench.run("run", sampler="random", trials=24)
    states = {record.state for record in study.records()}
    assert states == {"complete", "stopped"}
    top = {record.number for record in study.records() if record.rung == 2}
    assert {record.number for record in study.front()} <= top
    stopped = [record for record in study.records() if record.state == "stopped"]
    assert all(record.extrapolated and record.bits_per_byte < record.rung_scores[-1] for record in stopped)
    assert all(record.loss_sd > 0 for record in stopped)
    assert all(record.loss_sd is None for record in study.records() if record.state == "complete")


def test_a_space_with_few_members_ends_in_duplicates_and_trains_none_twice(bench: Bench) -> None:
    space = few_members(bench, widths=[32, 64])
    executors: list[InlineExecutor] = []

    def make(run_dir: Path, workers: int) -> InlineExecutor:
        executors.append(InlineExecutor(run_dir, workers))
        return executors[-1]

    study = bench.run("run", make, space=str(space), trials=10, sampler="random")
    assert sum(record.trained for record in study.records()) == 2
    duplicates = [record for record in study.records() if record.state == "duplicate"]
    assert len(duplicates) == EXHAUSTED_AFTER
    by_number = {record.number: record for record in study.records()}
    assert all(record.bits_per_byte == by_number[record.duplicate_of].bits_per_byte for record in duplicates)
    trained = [job.name for job in executors[0].done if "rung0" in job.name]
    assert len(trained) == len(set(trained)) == 2


def test_a_duplicate_of_a_running_trial_waits_for_it(bench: Bench) -> None:
    space = few_members(bench, widths=[32])
    for deterministic in (False, True):
        study = bench.run(f"run{deterministic}", space=str(space), trials=4, workers=3, deterministic=deterministic)
        first, *others = study.records()
        assert first.state == "complete"
        assert others and {(r.state, r.duplicate_of, r.bits_per_byte) for r in others} == {
            ("duplicate", 0, first.bits_per_byte)
        }


@pytest.mark.parametrize("seed", range(2))
def test_two_workers_that_finish_in_any_order_find_the_same_if_deterministic(bench: Bench, seed: int) -> None:
    fields = {"workers": 2, "deterministic": True, "trials": 12, "latency_budget": "0.9ms"}

    def any_order(run_dir: Path, workers: int) -> InlineExecutor:
        return InlineExecutor(run_dir, workers, order=seed)

    assert essence(bench.run("shuffled", any_order, **fields)) == essence(bench.run("in-order", **fields))


def test_two_workers_without_determinism_train_as_many(bench: Bench) -> None:
    def any_order(run_dir: Path, workers: int) -> InlineExecutor:
        return InlineExecutor(run_dir, workers, order=1)

    study = bench.run("run", any_order, workers=3, trials=12)
    assert sum(record.trained for record in study.records()) == 12


def test_one_worker_is_deterministic_anyway(bench: Bench) -> None:
    assert essence(bench.run("one", trials=10)) == essence(bench.run("two", trials=10, deterministic=True))


def test_the_seed_matters(bench: Bench) -> None:
    assert essence(bench.run("one")) != essence(bench.run("two", seed=1))


def test_checkpoints_of_told_trials_are_gone_and_confirmed_weights_stay(bench: Bench) -> None:
    study = bench.run("run")
    left = list((bench.folder / "run" / "checkpoints").iterdir())
    confirmed = [score.weights for r in study.records() if r.confirmed for score in r.confirmed.scores]
    assert sorted(f"checkpoints/{path.name}" for path in left) == sorted(confirmed)
    weights = study.winner_weights()
    assert weights is not None and weights.exists()


def test_study_can_be_read_while_it_runs(bench: Bench) -> None:
    seen: list[int] = []

    class Watched(InlineExecutor):
        def wait(self, timeout_seconds: float) -> Any:
            seen.append(len(Study.open(self.run_dir).records()))
            return super().wait(timeout_seconds)

    bench.run("run", Watched)
    assert seen[0] == 1 and seen[-1] >= 6


def test_frames_and_figures_of_a_study(bench: Bench) -> None:
    study = bench.run("run", trials=8)
    frame = study.dataframe()
    assert len(frame) == len(study.records())
    assert set(frame["confirmed_latency_ms"].dropna()) == {
        record.confirmed.latency.value for record in study.records() if record.confirmed
    }
    history = study.hypervolume_history()
    assert [count for count, _ in history] == list(range(1, 9))
    assert [volume for _, volume in history] == sorted(volume for _, volume in history)
    assert history[-1][1] == study.hypervolume() > 0
    assert 0 <= study.overhead <= 1
    assert sum(study.seconds.values()) > 0


def test_hours_stop_a_search(bench: Bench) -> None:
    clock = threading.Event()

    class Slow(InlineExecutor):
        def wait(self, timeout_seconds: float) -> Any:
            clock.wait(0.15)
            return super().wait(timeout_seconds)

    study = bench.run("run", Slow, trials=200, hours=1 / 3600, confirm_members=0)
    assert 1 <= len(study.records()) < 30
    assert study.winner() is None
