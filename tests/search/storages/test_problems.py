"""URLs, passwords, and storages that are not there, are gone for a while, or are somebody else's."""

from collections.abc import Callable
from pathlib import Path

import pytest
from optuna.storages import RDBStorage
from postgres import Server, private_server
from shared_searches import access, begin, loop_of
from sqlalchemy.exc import OperationalError
from table_fakes import laddered
from test_storage_conformance import config, essence, in_memory

from nas_search.errors import InputError, RunError
from nas_search.search.jobs import Job
from nas_search.search.storage import patience
from nas_search.search.storage.database import open_database
from nas_search.search.storage.patience import Patience
from nas_search.search.storage.url import described, engine_url, password_of, public_url, redacted


@pytest.mark.parametrize(
    ("given", "public"),
    [
        ("postgresql://u:p%40ss@h:5/db?sslmode=require", "postgresql://u@h:5/db?sslmode=require"),
        ("postgres://u:pass@h/db", "postgresql://u@h/db"),
        ("postgresql+psycopg://u@h/db", "postgresql+psycopg://u@h/db"),
        ("postgresql://u@/db?host=/tmp/x", "postgresql://u@/db?host=%2Ftmp%2Fx"),
        ("sqlite:////data/studies.db", "sqlite:////data/studies.db"),
    ],
)
def test_urls(given: str, public: str) -> None:
    assert public_url(given) == public
    assert public_url(public) == public


def test_a_password_is_remembered_apart_from_its_url() -> None:
    public = public_url("postgresql://u:p%40ss/w@h:6/db")
    assert password_of(public) == "p@ss/w"
    assert engine_url(public) == "postgresql+psycopg://u@h:6/db"
    assert described(public) == "PostgreSQL at h:6, database db"
    assert redacted("failed for p@ss/w\nor p%40ss%2Fw") == "failed for *** or ***"


def test_files_have_their_full_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert public_url("sqlite:///studies.db") == f"sqlite:///{tmp_path}/studies.db"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            "mysql://u:secret@h/d",
            "storage 'mysql://...': unknown kind of storage; give postgresql://USER@HOST:PORT/DAT",
        ),
        ("secret", "storage: not a URL; give postgresql"),
        ("postgresql://u:secret@h:port/d", "storage: not a URL"),
        ("postgresql://u:pass@secret@h/d", "more than one '@'; write one that is part of a password as %40"),
        ("postgresql://u:secret@h", "no database"),
        ("postgresql://h/d?password=secret", "a password among the URL's options"),
        ("sqlite://", "no database"),
        ("sqlite:///:memory:", "no database"),
        ("sqlite://secret@host/file", "a SQLite URL is sqlite:///FILE"),
    ],
)
def test_bad_urls(given: str, said: str) -> None:
    with pytest.raises(InputError) as problem:
        public_url(given)
    assert said in str(problem.value)
    assert "secret" not in str(problem.value)


def test_servers_that_do_not_let_us_in(postgres: Server) -> None:
    wrong = [
        (postgres.url("postgres", "s3cret-wrong"), "wrong user or password; give it in the URL, PGPASSWORD or"),
        (postgres.url("nowhere"), "database nowhere: no such database; createdb makes one"),
        (f"postgresql://u:s3cret@127.0.0.1:{postgres.port - 1}/db", "no answer .*is the server running there"),
    ]
    for url, said in wrong:
        with pytest.raises(InputError, match=said) as problem:
            open_database(public_url(url), RDBStorage)
        assert "s3cret" not in str(problem.value) and "127.0.0.1:" in str(problem.value)


def test_psycopg_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "psycopg", None)
    with pytest.raises(InputError, match=r"needs the package psycopg; pip install 'nas-search\[postgres\]'"):
        open_database(public_url("postgresql://u@h/d"), RDBStorage)


def test_no_sqlite_file(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database at all, but quite a long text\n" * 99)
    with pytest.raises(InputError, match="not a SQLite database"):
        open_database(public_url(f"sqlite:///{tmp_path}/text"), RDBStorage)


class PsycopgError(Exception):
    sqlstate = None


def gone() -> OperationalError:
    return OperationalError("SELECT", {}, PsycopgError("server closed the connection"))


def failing(times: int, error: Callable[[], Exception] = gone) -> Callable[[], str]:
    left = [times]

    def operation() -> str:
        left[0] -= 1
        if left[0] >= 0:
            raise error()
        return "done"

    return operation


@pytest.fixture
def notes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Time passes when somebody sleeps."""
    now = [0.0]
    monkeypatch.setattr(patience.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(patience.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    return []


def test_a_storage_that_comes_back(notes: list[str]) -> None:
    ask = Patience("the storage", notes.append)
    assert ask.ask(failing(2)) == "done"
    assert notes == [] and ask.steady_since > 0
    assert ask.ask(failing(9)) == "done"
    assert notes == ["the storage: no answer; trying again for 5 minutes", "the storage: answers again"]


def test_a_storage_that_stays_away(notes: list[str]) -> None:
    with pytest.raises(
        RunError, match=r"the storage: no answer for 5 minutes \(server closed the connection\); the stud"
    ):
        Patience("the storage", notes.append).ask(failing(10**6))
    assert len(notes) == 1


def test_errors_that_do_not_pass(notes: list[str]) -> None:
    ask = Patience("the storage", notes.append)
    with pytest.raises(KeyError):
        ask.ask(failing(1, lambda: KeyError("no study")))
    full = PsycopgError("could not extend file: No space left on device")
    full.sqlstate = "53100"  # type: ignore[assignment]
    with pytest.raises(RunError, match=r"the storage: could not extend file.*the study is intact"):
        ask.ask(failing(1, lambda: OperationalError("INSERT", {}, full)))


@pytest.mark.slow
def test_a_server_that_is_restarted_in_the_middle(postgres: Server, tmp_path: Path) -> None:
    """It stops in the fourth trial and starts as soon as it is missed. One of its own: others go on with theirs."""
    table, settings, notes = laddered(), config(8, "enumerate"), list[str]()
    with private_server(postgres.binaries) as server:

        def stop_at_the_fourth_trial(job: Job) -> None:
            if job.name == "3-rung0":
                server.stop()

        def start_when_missed(note: str) -> None:
            notes.append(note)
            if "no answer" in note:
                server.start()

        with access(server.create("restarted"), tmp_path / "run", note=start_when_missed) as way:
            journal = begin(way, tmp_path / "run", table)
            loop_of(journal, table, settings, stop_at_the_fourth_trial).run()
            found = essence(journal)
    assert found == in_memory(table, settings)
    assert [note.split(": ")[1].split(";")[0] for note in notes] == ["no answer", "answers again"]
