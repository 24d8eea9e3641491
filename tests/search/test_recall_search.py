"""Recall in a search: as a column, as a limit, as an objective."""

import json
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from search_fakes import (
    Bench,
    InlineExecutor,
    Recorder,
    essence,
    executor_with,
    fake_accuracy,
    fake_loss,
    fake_recall,
)
from test_resume import die_at_write, in_child, same_results

from nas_search.errors import InputError
from nas_search.search.front import nondominated
from nas_search.search.jobs import Progress
from nas_search.search.journal_file import snapshot_storage
from nas_search.search.samplers.names import sampler_names
from nas_search.search.study import Study
from nas_search.search.trial import TrialRecord
from nas_search.space.architecture import Architecture

LIMIT = "recall>=0.75"
OBJECTIVES = ("loss", "recall")
SAMPLERS = [name for name in sampler_names() if name not in {"gp", "enumerate"}]


def accuracies(record: TrialRecord, task: str, seeds: range) -> tuple[float, ...]:
    return tuple(fake_accuracy(Architecture.parse(record.trained_as), task, seed) for seed in seeds)


def jobs_of(bench: Bench, name: str, pattern: str) -> set[str]:
    """The fingerprints with jobs of a kind."""
    return {path.name.split("-")[0] for path in (bench.folder / name / "jobs").glob(pattern)}


def forgetful(arguments: Mapping[str, Any], run_dir: Path, progress: Progress) -> dict[str, Any]:
    """Every architecture with Mamba-2 diverges on recall; another seed of what has attention does."""
    result = fake_recall(arguments, run_dir, progress)
    fails = "m2" in arguments["architecture"] or (arguments["seed"] and " a" in arguments["architecture"])
    return result | {"accuracy": None, "failure": "the loss became nan"} if fails else result


def test_a_column_is_of_confirmed_members_and_changes_nothing_else(bench: Bench) -> None:
    plain = bench.run("plain")
    observer = Recorder()
    study = bench.run("run", observer=observer, columns=("recall", "needle:64"), recall={"seeds": 2})
    assert essence(study) == essence(plain)
    assert study.winner().architecture == plain.winner().architecture
    confirmed = [record for record in study.records() if record.confirmed]
    assert confirmed
    for record in confirmed:
        for task in ("recall", "needle:64"):
            assert record.confirmed_recall(task).accuracies == accuracies(record, task, range(2, 4))
    assert jobs_of(bench, "run", "*-recall-seed*") == {record.fingerprint for record in confirmed}
    assert not any(record.recalls for record in study.records())
    assert observer.steps["confirm"] == dict(observer.phases)["confirm"]
    assert study.seconds["recall"] > 0 and "recall" not in plain.seconds


def test_without_recall_the_study_is_as_it_was(bench: Bench) -> None:
    bench.run("run")
    assert b"recall" not in (bench.folder / "run" / "study.journal").read_bytes()
    assert b"recall" not in (bench.folder / "run" / "confirmations.json").read_bytes()


def test_a_finished_run_gets_a_column(bench: Bench) -> None:
    before = bench.run("run")
    ran: list[InlineExecutor] = []

    def make(run_dir: Path, workers: int) -> InlineExecutor:
        ran.append(InlineExecutor(run_dir, workers))
        return ran[-1]

    after = bench.run("run", make, columns=("recall",))
    assert essence(after) == essence(before)
    assert {job.kind for job in ran[0].done} == {"recall"}
    assert after.winner().confirmed_recall("recall") is not None
    assert Study.open(bench.folder / "run").goals.columns == after.goals.columns != ()


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_what_misses_a_limit_on_recall_is_trained_no_further(bench: Bench, sampler: str) -> None:
    study = bench.run("run", sampler=sampler, trials=14, limits=(LIMIT,))
    records = study.records()
    below = [record for record in records if record.state == "below_limit"]
    scored = [record for record in records if record.bits_per_byte is not None]
    assert below and scored
    assert sum(record.trained for record in records) == 14
    assert all(record.figures["recall"] < 0.75 and not record.rung_scores for record in below)
    assert all(record.figures["recall"] >= 0.75 for record in scored)
    assert all(record.recalls["recall"].accuracies == accuracies(record, "recall", range(1)) for record in scored)
    assert not jobs_of(bench, "run", "*-rung0.json") & {record.fingerprint for record in below}
    assert study.winner() is not None


def test_samplers_are_told_by_how_much_a_limit_on_recall_is_missed(bench: Bench) -> None:
    study = bench.run("run", sampler="random", trials=8, limits=(LIMIT,), latency_budget="0.5ms")
    storage = snapshot_storage(bench.folder / "run" / "study.journal")
    trials = {trial.number: trial for trial in storage.get_all_trials(0)}
    assert {record.state for record in study.records()} >= {"over_limit", "below_limit", "complete"}
    for record in study.records():
        told = trials[record.number].constraints
        assert told["decode:64"] == pytest.approx(record.latency_ms / 0.5 - 1)
        assert told["recall"] == pytest.approx((0.75 - record.figures.get("recall", 0.0)) / 0.75)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_recall_is_traded(bench: Bench, sampler: str) -> None:
    study = bench.run("run", sampler=sampler, trials=12, objectives=OBJECTIVES)
    trained = [record for record in study.records() if record.trained]
    assert all(record.figures["recall"] == accuracies(record, "recall", range(1))[0] for record in trained)
    complete = [record for record in trained if record.state == "complete"]
    points = [(record.latency_ms, record.bits_per_byte, -record.figures["recall"]) for record in complete]
    front = [complete[index].number for index in nondominated(points)]
    assert [record.number for record in study.front()] == front
    assert study.reference()[2] == 0.0 and study.hypervolume() > 0
    storage = snapshot_storage(bench.folder / "run" / "study.journal")
    assert [direction.name for direction in storage.get_study_directions(0)] == ["MINIMIZE", "MINIMIZE", "MAXIMIZE"]
    values = {trial.number: trial.values for trial in storage.get_all_trials(0)}
    assert all(values[record.number][2] == record.figures["recall"] for record in trained)
    assert study.winner().confirmed_recall("recall").accuracies == accuracies(study.winner(), "recall", range(1, 2))


def test_who_recalls_more_is_not_stopped_by_who_recalls_less(bench: Bench) -> None:
    """Where a higher loss always goes with more recall, most of those that are stopped for the loss alone go up."""

    def opposed(arguments: Mapping[str, Any], run_dir: Path, progress: Progress) -> dict[str, Any]:
        accuracy = fake_loss(Architecture.parse(arguments["architecture"]), 9 * 16_384, arguments["seed"]) / 5
        return fake_recall(arguments, run_dir, progress) | {"accuracy": accuracy}

    fields: dict[str, Any] = {"sampler": "random", "trials": 24, "confirm_members": 0, "seed": 3}
    study = bench.run("run", executor_with(recall=opposed), objectives=OBJECTIVES, **fields)
    plain = bench.run("plain", **fields)
    stopped, alone = (sum(one.state == "stopped" for one in found.records()) for found in (study, plain))
    assert 3 * stopped < alone


def test_failures_have_reasons(bench: Bench) -> None:
    observer = Recorder()
    study = bench.run(
        "run", executor_with(recall=forgetful), observer, sampler="random", trials=12, objectives=OBJECTIVES
    )
    failed = [record for record in study.records() if record.state == "failed"]
    assert {record.reason for record in failed} == {"the loss became nan"}
    assert all("m2" in record.architecture and not record.rung_scores for record in failed)
    assert not any("m2" in record.architecture for record in study.records() if record.state == "complete")
    unconfirmed = [record for record in study.records() if record.confirmed and not record.confirmed.recalls]
    assert unconfirmed
    notes = [note for note in observer.notes if "recall seed 1: not confirmed, the loss became nan" in note]
    assert len(notes) == len(unconfirmed)
    assert study.winner() is not None


def test_nothing_keeps_a_limit_on_recall(bench: Bench) -> None:
    observer = Recorder()
    study = bench.run("run", observer=observer, limits=("recall>=100%",), trials=5)
    assert [record.state for record in study.records() if record.trained] == ["below_limit"] * 5
    assert study.front() == [] and study.winner() is None
    said = "none of 5 candidates that were trained on recall keeps the limits on it (recall>=1): none to confirm"
    assert said in observer.notes


def test_twins_recall_in_the_place_of_what_is_too_large(bench: Bench) -> None:
    text = (bench.folder / "gene.yaml").read_text().replace("[32, 64, 96]", "[64, 128, 256]")
    (bench.folder / "wide.yaml").write_text(text)
    study = bench.run("run", space=str(bench.folder / "wide.yaml"), train_parameters=1_000_000, limits=("recall>=0.1",))
    trained = [record for record in study.records() if record.trained]
    assert trained and all(record.scored_as for record in trained)
    assert all(record.figures["recall"] == accuracies(record, "recall", range(1))[0] for record in trained)


def test_a_warm_started_run_takes_recall_over(bench: Bench) -> None:
    first = bench.run("first", limits=(LIMIT,), sampler="random", trials=8)
    bench.run("second", limits=(LIMIT,), sampler="bayes", trials=4, warm_start=(bench.folder / "first",))
    scored = [record for record in first.records() if record.state in {"complete", "stopped"}]
    assert scored
    for record in scored:
        stored = json.loads((bench.folder / "second" / "jobs" / f"{record.fingerprint}-recall-seed0.json").read_text())
        assert stored["result"]["accuracy"] == record.figures["recall"]
        assert stored["result"]["reused"] and stored["result"]["seconds"] == 0


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("part", range(2))
def test_killed_at_a_write(bench: Bench, part: int, after: bool) -> None:
    """The run dies again and again, each time after a few more writes, until it comes to its end."""
    fields: dict[str, Any] = {
        "trials": 7, "sampler": "random", "latency_budget": "1ms", "seed": 5, "confirm_members": 2,
        "objectives": OBJECTIVES, "limits": ("needle:64>=0.4",), "columns": ("needle:96",), "recall": {"seeds": 2},
    }  # fmt: skip
    undisturbed = bench.run("undisturbed", **fields)
    assert {record.state for record in undisturbed.records()} >= {"below_limit", "complete"}
    number, deaths = 1 + part, 0

    def sitting() -> None:
        die_at_write(number, after=after)
        bench.run("run", **fields)

    while in_child(sitting) == signal.SIGKILL:
        deaths += 1
        number += 11
    assert deaths > 5
    study = bench.run("run", **fields)
    same_results(study, undisturbed)
    assert [record.recalls for record in study.records()] == [record.recalls for record in undisturbed.records()]


def test_at_most_one_training_is_repeated(bench: Bench) -> None:
    """Killed while a job runs, again and again: only the job in flight is ever done twice."""
    fields: dict[str, Any] = {"trials": 5, "sampler": "random", "limits": (LIMIT,), "recall": {"seeds": 2}}
    study, deaths, started = bench.run_fragile("run", **fields)
    assert essence(study) == essence(bench.run("undisturbed", **fields))
    assert deaths > 2
    assert len(started) - len(set(started)) == deaths


def test_two_workers_and_one_order(bench: Bench) -> None:
    fields: dict[str, Any] = {"trials": 10, "workers": 2, "deterministic": True, "objectives": OBJECTIVES}
    one = bench.run("one", lambda run_dir, workers: InlineExecutor(run_dir, workers, order=1), **fields)
    other = bench.run("other", lambda run_dir, workers: InlineExecutor(run_dir, workers, order=2), **fields)
    assert essence(one) == essence(other)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"columns": ("loss",)}, "column 'loss': not one of recall, needle:LENGTH"),
        ({"columns": ("recall", " recall")}, "column recall: given twice"),
        ({"columns": ("needle:4",)}, "1 pairs for a needle need a length of 8"),
        ({"objectives": ("recall",)}, "objectives recall: loss must be one of them"),
        ({"objectives": ("loss", "recall:3")}, "objective 'recall:3': 'recall:3' is not one of recall, needle:LENGTH"),
        ({"limits": ("recall<=0.5",)}, "write recall>=0.5"),
        ({"recall": {"steps": 0}}, "recall.steps"),
        ({"workload": "recall"}, "recall"),
    ],
)
def test_bad_input_leaves_nothing_behind(bench: Bench, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        bench.run("run", **fields)
    assert "\n" not in str(error.value)
    assert not (bench.folder / "run").exists()


def test_documents_and_tables_have_it(bench: Bench) -> None:
    from nas_search.cli.document import study_document
    from nas_search.results.table import front_table

    study = bench.run("run", objectives=OBJECTIVES, columns=("needle:64",), trials=8)
    document = json.loads(json.dumps(study_document(study)))
    assert document["columns"] == ["needle:64"]
    assert document["objectives"][2] == {"name": "recall", "unit": "share", "higher_is_better": True}
    winner = study.winner()
    assert document["winner"]["recall"]["recall"] == {
        "searched": winner.figures["recall"],
        "confirmed": winner.confirmed_recall("recall").mean,
    }
    assert document["winner"]["recall"]["needle:64"]["searched"] is None
    frame = study.dataframe().set_index("number")
    assert frame.loc[winner.number, "recall (share, searched)"] == winner.figures["recall"]
    assert frame.loc[winner.number, "needle:64 (share, confirmed)"] == winner.confirmed_recall("needle:64").mean
    headings = [column.header for column in front_table(study).columns]
    assert headings[5:8] == ["recall\nsearched", "recall\nconfirmed", "needle:64\nconfirmed"]


def test_a_training_on_recall_is_counted_in_its_seconds(bench: Bench) -> None:
    study = bench.run("run", objectives=OBJECTIVES, recall={"seeds": 3}, trials=3)
    for record in study.records():
        if record.trained:
            assert record.seconds == pytest.approx(3 * 0.5 + len(record.rung_scores))
