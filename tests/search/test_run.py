"""Whole searches, with training by formula."""

import errno
import json
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml
from search_fakes import FAKES, Bench, FakeTable, InlineExecutor, Recorder, essence, failing_train, fake_train

from nas_search.errors import InputError, RunError
from nas_search.search.front import nondominated
from nas_search.search.journal_file import JournalFile
from nas_search.search.ledger import EXHAUSTED_AFTER
from nas_search.search.lock import RunLock
from nas_search.search.samplers.names import sampler_names
from nas_search.search.study import Study


def executor_with(**functions: Any) -> Any:
    return lambda run_dir, workers: InlineExecutor(run_dir, workers, functions=FAKES | functions)


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


def test_candidates_over_the_limit_cost_proposals_but_no_training(bench: Bench) -> None:
    study = bench.run("run", latency_budget="0.5ms", trials=6, sampler="random")
    slow = [record for record in study.records() if record.state == "over_limit"]
    assert slow and all(record.latency_ms > 0.5 and record.rung_scores == () for record in slow)
    assert all(record.latency_ms <= 0.5 for record in study.records() if record.trained)
    jobs = {path.name.split("-")[0] for path in (bench.folder / "run" / "jobs").glob("*-rung0.json")}
    assert jobs == {record.fingerprint for record in study.records() if record.trained}


THREE: dict[str, Any] = {
    "objectives": ["loss", "throughput:2048"],
    "limits": ["memory:64<=0.25MiB", "prefill:64<=0.8ms"],
}


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


def few_members(bench: Bench, widths: list[int]) -> Path:
    """A space with one member for each width."""
    changes = {"mixers": ["a"], "ratios": ["0:1"], "ffns": [0], "max_repeats": 1, "max_operators": 1, "widths": widths}
    path = bench.folder / "few.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load((bench.folder / "gene.yaml").read_text()) | changes))
    return path


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


def test_a_duplicate_of_a_failed_trial_fails(bench: Bench) -> None:
    space = few_members(bench, widths=[32])
    observer = Recorder()
    study = bench.run("run", executor_with(train=failing_train), observer, space=str(space), trials=2)
    assert {record.state for record in study.records()} == {"failed", "duplicate"}
    assert study.records()[1].reason == "trial 0 failed: loss not finite at step 3"
    assert study.front() == [] and study.winner() is None
    assert "no trial reached the top rung: nothing to confirm" in observer.notes


def test_failures_have_a_reason_and_do_not_end_the_search(bench: Bench) -> None:
    study = bench.run("run", executor_with(train=failing_train), trials=12, sampler="random")
    failed = [record for record in study.records() if record.state == "failed"]
    assert failed and all(record.reason == "loss not finite at step 3" for record in failed)
    assert any(record.state == "complete" for record in study.records())
    assert all(record.state != "failed" for record in study.front())


def test_a_job_that_raises_fails_its_trial_only(bench: Bench) -> None:
    def memory_runs_out(arguments: Any, run_dir: Path, progress: Any) -> Any:
        if arguments["architecture"].startswith("w96"):
            raise MemoryError
        return fake_train(arguments, run_dir, progress)

    study = bench.run("run", executor_with(train=memory_runs_out), trials=10, sampler="random")
    reasons = {record.reason for record in study.records() if record.architecture.startswith("w96")}
    assert reasons == {"out of memory"}


def test_disk_full_in_a_worker_ends_the_run_and_the_study_goes_on_later(bench: Bench) -> None:
    calls = []

    def full(arguments: Any, run_dir: Path, progress: Any) -> Any:
        calls.append(1)
        if len(calls) > 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        return fake_train(arguments, run_dir, progress)

    with pytest.raises(RunError, match="disk full"):
        bench.run("run", executor_with(train=full))
    assert essence(bench.run("run")) == essence(bench.run("straight"))


def test_disk_full_in_the_driver(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    original, calls = JournalFile.append_logs, []

    def full(self: JournalFile, logs: list[dict[str, Any]]) -> None:
        calls.append(1)
        if len(calls) < 30:
            return original(self, logs)
        with Path(self._path).open("ab") as file:
            file.write(json.dumps(logs[0]).encode()[:20])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(JournalFile, "append_logs", full)
        with pytest.raises(RunError, match="disk full"):
            bench.run("run")
    assert essence(bench.run("run")) == essence(bench.run("straight"))


def test_interrupting_stops_the_workers_and_keeps_the_study(bench: Bench) -> None:
    class Interrupted(InlineExecutor):
        def wait(self, timeout_seconds: float) -> Any:
            if len(self.done) == 3:
                raise KeyboardInterrupt
            return super().wait(timeout_seconds)

    made: list[Interrupted] = []

    def make(run_dir: Path, workers: int) -> Interrupted:
        made.append(Interrupted(run_dir, workers))
        return made[-1]

    with pytest.raises(KeyboardInterrupt):
        bench.run("run", make)
    assert made[0].closed
    assert essence(bench.run("run")) == essence(bench.run("straight"))


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


BAD = {
    "device": ({"device": "abacus"}, "abacus"),
    "space": ({"space": "cpuu"}, "cpuu"),
    "sampler": ({"sampler": "evolutoin"}, "did you mean 'evolution'"),
    "option": ({"sampler": "tpe", "sampler_options": {"population": 3}}, "population"),
    "workload": ({"workload": "decode:x"}, "decode:x"),
    "objective": ({"objectives": ["loss", "sped"]}, "objective 'sped'"),
    "limit": ({"limits": ["memory:64<=2ms"]}, "limit 'memory:64<=2ms'"),
    "budget form": ({"latency_budget": "soon"}, "soon"),
    "budget": ({"latency_budget": "0.001ms"}, "the fastest is w32 a with 0.096 ms/token"),
    "text": ({"data": "/nowhere.txt"}, "nowhere"),
    "table": ({"table": "/nowhere.parquet"}, "nowhere"),
    "rungs": ({"recipe": {"warmup_tokens": 1_000_000}}, "warm-up"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_leaves_no_directory(bench: Bench, name: str) -> None:
    fields, message = BAD[name]
    with pytest.raises(InputError, match=message) as error:
        bench.run("run", **fields)
    assert "\n" not in str(error.value)
    assert not (bench.folder / "run").exists()


def test_a_table_of_another_device_is_refused(bench: Bench) -> None:
    FakeTable.of(bench.space(), device_id="cpu-elsewhere").save(bench.folder / "other.parquet")
    with pytest.raises(InputError, match="cpu-elsewhere"):
        bench.run("run", table=bench.folder / "other.parquet")
    assert not (bench.folder / "run").exists()


def test_a_table_recorded_for_an_impossible_budget_is_kept(bench: Bench) -> None:
    with pytest.raises(InputError, match="--table") as error:
        bench.run("run", table=None, latency_budget="0.001ms")
    kept = str(error.value).split("--table ")[1].split()[0]
    assert FakeTable.load(Path(kept)).hash == FakeTable.load(bench.table).hash
    assert not (bench.folder / "run").exists()


@pytest.mark.parametrize(
    ("field", "changed"),
    [
        ("seed", 3),
        ("sampler", "random"),
        ("latency_budget", "3x"),
        ("limits", ["parameters<=1M"]),
        ("tokens", 9 * 20_000),
        ("confirm_seeds", 1),
    ],
)
def test_another_configuration_does_not_resume(bench: Bench, field: str, changed: Any) -> None:
    options = {"sampler_options": {}}
    bench.run("run", trials=2, **options)
    before = (bench.folder / "run" / "config.yaml").read_bytes()
    with pytest.raises(InputError, match=f"begun with {field}"):
        bench.run("run", trials=2, **options, **{field: changed})
    assert (bench.folder / "run" / "config.yaml").read_bytes() == before


def test_another_text_space_or_table_does_not_resume(bench: Bench) -> None:
    bench.run("run", trials=2)
    text = bench.text.read_text()
    bench.text.write_text(text + "more")
    with pytest.raises(InputError, match="corpus"):
        bench.run("run", trials=2)
    bench.text.write_text(text)
    FakeTable.of(bench.space(), scale=2.0).save(bench.table)
    with pytest.raises(InputError, match=r"given\.parquet"):
        bench.run("run", trials=2)
    FakeTable.of(bench.space()).save(bench.table)
    space = bench.folder / "gene.yaml"
    space.write_text(space.read_text().replace("max_repeats: 3", "max_repeats: 4"))
    with pytest.raises(InputError, match="another space"):
        bench.run("run", trials=2)


def test_the_given_table_may_be_gone_when_a_run_goes_on(bench: Bench) -> None:
    before = bench.run("run", trials=2)
    bench.table.unlink()
    assert essence(bench.run("run", trials=2)) == essence(before)


def test_two_at_once_in_one_directory_is_an_error(bench: Bench) -> None:
    (bench.folder / "run").mkdir()
    with RunLock(bench.folder / "run" / "run.lock"), pytest.raises(InputError, match="another search is running"):
        bench.run("run")


def test_a_folder_with_something_else_is_not_touched(bench: Bench) -> None:
    other = bench.folder / "run"
    other.mkdir()
    (other / "thesis.tex").write_text("dear reader")
    with pytest.raises(InputError, match="not empty"):
        bench.run("run")
    assert [path.name for path in other.iterdir()] == ["thesis.tex"]


def test_checkpoints_of_told_trials_are_gone_and_confirmed_weights_stay(bench: Bench) -> None:
    study = bench.run("run")
    left = list((bench.folder / "run" / "checkpoints").iterdir())
    confirmed = [score.weights for r in study.records() if r.confirmed for score in r.confirmed.scores]
    assert sorted(f"checkpoints/{path.name}" for path in left) == sorted(confirmed)
    weights = study.winner_weights()
    assert weights is not None and weights.exists()


def test_budget_of_an_architecture(bench: Bench) -> None:
    study = bench.run("known", latency_budget="w64 a m2", trials=2)
    assert study.limit_ms == pytest.approx(0.064 * (2 + 1 + 2))
    measured = bench.run("measured", latency_budget="w64 swa[window=8] f", trials=2)
    assert measured.limit_ms == 0.5


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
