"""What every storage of studies promises: the same study whatever it is in, however often the driver is cut off."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from optuna.storages import InMemoryStorage
from shared_searches import FACTS, access, begin, loop_of
from table_fakes import frame, laddered, table

from nas_search.search.config import SearchConfig
from nas_search.search.journal import Candidate, Outcome, StudyJournal, record_of
from nas_search.search.journal_file import writable_storage
from nas_search.search.samplers.base import distributions
from nas_search.search.simulation.search_table import SearchTable
from nas_search.search.storage.patience import Patience

KINDS = ("memory", "journal", "sqlite", "postgresql")
TABLE = laddered()
Open = Callable[[], AbstractContextManager[StudyJournal]]


@pytest.fixture(params=KINDS)
def reopen(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Open:
    """Opens one study of a kind of storage, again and again."""
    monkeypatch.setattr("os.fsync", lambda handle: None)
    memory = InMemoryStorage()
    if request.param == "postgresql":
        database = f"conformance{next(NUMBERS)}"
        url = request.getfixturevalue("postgres").create(database)
    else:
        url = f"sqlite:///{tmp_path}/studies.db"

    @contextmanager
    def open_one() -> Iterator[StudyJournal]:
        problem = TABLE.problem()
        if request.param in {"sqlite", "postgresql"}:
            with access(url, tmp_path / "run") as way:
                yield begin(way, tmp_path / "run", TABLE)
            return
        storage = memory if request.param == "memory" else writable_storage(tmp_path / "study.journal")
        journal = StudyJournal(storage, distributions(problem.space.genes), problem.goals)
        if not journal.facts():
            journal.set_facts(FACTS)
        yield journal

    return open_one


NUMBERS = count()


def candidate(row: int, **fields: Any) -> Candidate:
    prospect = TABLE.members.prospects([TABLE.members.space.genomes[row]])[0]
    genes = [gene.name for gene in TABLE.members.space.genes]
    values: dict[str, Any] = {
        "genome": dict(zip(genes, prospect.genome, strict=True)),
        "architecture": prospect.architecture,
        "fingerprint": prospect.fingerprint,
        "parameters": 0,
        "latency_ms": next(iter(prospect.figures.values())),
        "figures": prospect.figures,
        "over": {"prefill:1": -0.5},
        "fate": "train",
    }
    return Candidate.model_validate(values | fields)


OUTCOMES = (
    Outcome(state="complete", told_loss=2.5, bits_per_byte=2.5, rung_scores=(3.0, 2.7, 2.5), seconds=9.0),
    Outcome(state="stopped", told_loss=2.6, bits_per_byte=2.6, extrapolated=True, loss_sd=0.1, rung_scores=(3.1,)),
    Outcome(state="failed", told_loss=None, reason="loss not finite"),
)


def test_what_is_told_is_read_again(reopen: Open) -> None:
    with reopen() as journal:
        for index, outcome in enumerate(OUTCOMES):
            trial = journal.create(index)
            journal.write_candidate(trial, candidate(index))
            journal.tell(trial, candidate(index), outcome)
        running = journal.create(3)
        journal.write_candidate(running, candidate(3))
        journal.create(4)
    with reopen() as journal:
        assert journal.facts() == FACTS
        trials = journal.trials()
        records = [record_of(trial) for trial in trials[:4]]
        assert [trial.number for trial in trials] == list(range(5))
        news = journal.news(room=9)
        assert news is not None
        assert [trial.number for trial in news.told] == [0, 1, 2]
        assert [trial.number for trial in news.ours] == [3, 4]
        assert list(news.elsewhere) == []
    assert [record.state for record in records] == ["complete", "stopped", "failed", "running"]
    assert [record.proposal_index for record in records] == [0, 1, 2, 3]
    assert [record.rung_scores for record in records[:3]] == [outcome.rung_scores for outcome in OUTCOMES]
    assert trials[0].params == candidate(0).genome
    assert trials[0].values == [candidate(0).latency_ms, 2.5]
    assert trials[0].constraints == {"prefill:1": -0.5}


def config(trials: int, sampler: str) -> SearchConfig:
    return SearchConfig.checked({"trials": trials, "proposals": 60, "workers": 1, "sampler": sampler, "seed": 3})


def essence(journal: StudyJournal) -> list[dict[str, Any]]:
    records = [record_of(trial) for trial in journal.trials()]
    return [record.model_dump(exclude={"finished_at", "seconds"}) for record in records]


def in_memory(made: SearchTable, settings: SearchConfig) -> list[dict[str, Any]]:
    problem = made.problem()
    journal = StudyJournal(InMemoryStorage(), distributions(problem.space.genes), problem.goals)
    loop_of(journal, made, settings).run()
    return essence(journal)


@pytest.mark.parametrize("sampler", ["random", "tpe", "enumerate"])
def test_a_search_that_is_cut_at_every_third_trial(reopen: Open, sampler: str) -> None:
    for trials in (3, 6, 9):
        with reopen() as journal:
            loop_of(journal, TABLE, config(trials, sampler)).run()
            found = essence(journal)
    assert found == in_memory(TABLE, config(9, sampler))


def test_rows_that_fail_and_duplicates(reopen: Open) -> None:
    rows = frame().iloc[:6].copy()
    rows.loc[2, "loss"] = float("nan")
    small = table(rows, genes=("ratio", "wide"))
    with reopen() as journal:
        loop_of(journal, small, config(20, "enumerate")).run()
        found = essence(journal)
    assert found == in_memory(small, config(20, "enumerate"))
    assert {record["state"] for record in found} == {"complete", "failed", "duplicate"}


class Killed(BaseException):
    """The driver dies here."""


@pytest.mark.parametrize("after", [False, True])
def test_a_search_that_is_killed_at_any_word_to_the_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    """A driver that is gone from this machine leaves everything as it is; the next one goes on at once."""
    url, calls = f"sqlite:///{tmp_path}/studies.db", count()
    ask = Patience.ask
    deadly = 0

    def ask_or_die(self: Patience, operation: Callable[[], Any]) -> Any:
        number = next(calls)
        if number == deadly and not after:
            raise Killed
        result = ask(self, operation)
        if number == deadly:
            raise Killed
        return result

    begun: list[str] = []
    deaths = 0
    for deadly in range(20, 400, 29):  # noqa: B007 - read by ask_or_die
        monkeypatch.setattr(Patience, "ask", ask_or_die)
        calls = count()
        try:
            with access(url, tmp_path / "run") as way:
                way._driver.identity = way._driver.identity.model_copy(update={"started": "before"})
                monkeypatch.setattr(way._driver, "end", way._driver._ended.set)
                journal = begin(way, tmp_path / "run", TABLE)
                loop_of(journal, TABLE, config(8, "enumerate"), lambda job: begun.append(job.name)).run()
                found = essence(journal)
                break
        except Killed:
            deaths += 1
    assert deaths >= 3
    assert found == in_memory(TABLE, config(8, "enumerate"))
    assert len(begun) - len(set(begun)) <= deaths
