from pathlib import Path
from typing import Any

import pytest
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial
from search_fakes import Bench

from nas_search.errors import InputError
from nas_search.search.goals import Goals
from nas_search.search.journal import Candidate, Outcome, StudyJournal, read_study
from nas_search.search.journal_file import open_storage, snapshot_storage, writable_storage
from nas_search.search.samplers.base import distributions
from nas_search.search.study import Study

GOALS = Goals.stored(("decode:64", "loss", "throughput:64"), ("decode:64<=4ms", "memory:64<=1GiB"))


@pytest.fixture
def journal(bench: Bench) -> StudyJournal:
    return open_journal(bench)


def open_journal(bench: Bench) -> StudyJournal:
    return StudyJournal(writable_storage(bench.folder / "study.journal"), distributions(bench.space().genes), GOALS)


def candidate(bench: Bench, over: dict[str, float] | None = None) -> Candidate:
    space = bench.space()
    genome = space.canonical(space.repair(space.encode(space.fastest(lambda architecture: architecture.parameters))))
    architecture = space.decode(genome)
    return Candidate(
        genome={gene.name: value for gene, value in zip(space.genes, genome, strict=True)},
        architecture=architecture.notation,
        fingerprint=architecture.fingerprint,
        parameters=architecture.parameters,
        latency_ms=2.0,
        figures={"decode:64": 2.0, "throughput:64": 500.0},
        over=over or {},
        fate="over_limit" if any(share > 0 for share in (over or {}).values()) else "train",
    )


def test_every_constraint_is_there_once_by_name(bench: Bench, journal: StudyJournal) -> None:
    trial = journal.create(0)
    journal.write_candidate(trial, candidate(bench, {"decode:64": 0.5, "memory:64": -0.25}))
    stored = journal.trials()[0]
    assert stored.constraints == {"decode:64": 0.5, "memory:64": -0.25}
    free = journal.create(1)
    journal.write_candidate(free, candidate(bench))
    assert journal.trials()[1].constraints == {}


def test_writing_a_candidate_again_adds_nothing(bench: Bench, journal: StudyJournal) -> None:
    journal.write_candidate(journal.create(0), candidate(bench, {"decode:64": -0.5, "memory:64": 0.5}))
    size = (bench.folder / "study.journal").stat().st_size
    again = open_journal(bench)
    again.write_candidate(again.trials()[0], candidate(bench, {"decode:64": -0.5, "memory:64": 0.5}))
    assert (bench.folder / "study.journal").stat().st_size == size


def test_told_values_and_records(bench: Bench, journal: StudyJournal) -> None:
    made = candidate(bench)
    scored, failed = journal.create(0), journal.create(1)
    for trial in (scored, failed):
        journal.write_candidate(trial, made)
    assert journal.record(scored).state == "running"
    stopped = Outcome(state="stopped", told_loss=2.5, bits_per_byte=2.5, extrapolated=True, rung_scores=(2.7,))
    journal.tell(scored, made, stopped)
    journal.tell(failed, made, Outcome(state="failed", told_loss=None, reason="out of memory"))
    stored = journal.trials()
    assert stored[0].values == [2.0, 2.5, 500.0] and stored[1].values is None
    record = journal.record(scored)
    assert (record.state, record.rung, record.extrapolated, record.finished_at is not None) == (
        "stopped",
        0,
        True,
        True,
    )
    assert journal.record(failed).reason == "out of memory"


def test_a_study_in_memory_is_that_in_a_file(bench: Bench, journal: StudyJournal) -> None:
    studies = [journal, StudyJournal(InMemoryStorage(), distributions(bench.space().genes), GOALS)]
    made = candidate(bench, {"decode:64": -0.5, "memory:64": 0.5})
    for study in studies:
        study.set_facts({"space": "s"})
        for index in range(2):
            trial = study.create(index)
            study.write_candidate(trial, made)
        study.tell(trial, made, Outcome(state="over_limit", told_loss=8.0))
    in_file, in_memory = ([_content(trial) for trial in study.trials()] for study in studies)
    assert in_file == in_memory
    assert studies[0].facts() == studies[1].facts() == {"space": "s"}


def _content(trial: FrozenTrial) -> tuple[Any, ...]:
    attributes = (trial.user_attrs, trial.system_attrs)
    return (trial.number, trial.state, trial.params, trial.distributions, trial.values, trial.constraints, *attributes)


def test_optuna_reads_the_study(bench: Bench) -> None:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    study = bench.run("run", latency_budget="0.6ms", trials=8)
    storage = JournalStorage(JournalFileBackend(str(bench.folder / "run" / "study.journal")))
    loaded = optuna.load_study(study_name=None, storage=storage)
    assert loaded.metric_names == ["decode:64", "loss"]
    assert len(loaded.trials) == len(study.records())
    assert all(trial.values[0] <= 0.6 for trial in loaded.best_trials)


def test_optuna_s_front_is_ours_with_a_third_objective_to_maximise(bench: Bench) -> None:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    fields = {"objectives": ["loss", "throughput:2048"], "limits": ["memory:64<=0.2MiB"]}
    study = bench.run("run", trials=10, sampler="random", tokens=16_384, **fields)
    storage = JournalStorage(JournalFileBackend(str(bench.folder / "run" / "study.journal")))
    loaded = optuna.load_study(study_name=None, storage=storage)
    assert loaded.metric_names == ["decode:64", "loss", "throughput:2048"]
    assert [direction.name for direction in loaded.directions] == ["MINIMIZE", "MINIMIZE", "MAXIMIZE"]
    assert sorted(trial.number for trial in loaded.best_trials) == sorted(record.number for record in study.front())
    assert any(trial.constraints["memory:64"] > 0 for trial in loaded.trials)


def test_a_journal_damaged_in_the_middle_is_an_input_error(bench: Bench) -> None:
    bench.run("run", trials=2)
    path = bench.folder / "run" / "study.journal"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:5], b"not a line\n", *lines[6:]]))
    for read in (lambda: Study.open(bench.folder / "run"), lambda: bench.run("run", trials=2)):
        with pytest.raises(InputError, match="damaged"):
            read()


def test_no_study_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a run directory"):
        Study.open(tmp_path)
    with pytest.raises(InputError, match="no study"):
        read_study(tmp_path / "study.journal")
    assert list(tmp_path.iterdir()) == []


def test_a_snapshot_reads_what_optuna_reads_but_for_parameters_and_a_torn_last_line(bench: Bench) -> None:
    bench.run("run", trials=3)
    path = bench.folder / "run" / "study.journal"
    whole = open_storage(path).get_all_trials(0)
    with path.open("ab") as file:
        file.write(b'{"op_code":8,"worker')
    trials, facts = read_study(path)
    assert facts["corpus"]
    assert all(trial.params for trial in whole) and not any(trial.params for trial in trials)
    assert [(t.number, t.state, t.values, t.user_attrs) for t in trials] == [
        (t.number, t.state, t.values, t.user_attrs) for t in whole
    ]


def test_a_snapshot_is_never_written(bench: Bench) -> None:
    bench.run("run", trials=2)
    with pytest.raises(RuntimeError, match="only for reading"):
        snapshot_storage(bench.folder / "run" / "study.journal").set_study_user_attr(0, "a", 1)
