"""What a database's errors mean: it is gone for a while, or something is wrong that waiting does not mend."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas_search.errors import InputError, first_line
from nas_search.search.storage.url import FORMS, described, redacted

if TYPE_CHECKING:
    from sqlalchemy.exc import SQLAlchemyError

_SQLITE_BUSY = ("locked", "busy", "unable to open", "disk i/o")
_POSTGRES_FULL = "53100"
_ADVICE = (
    ("password authentication failed", "wrong user or password; give it in the URL, PGPASSWORD or ~/.pgpass"),
    ("no password supplied", "a password is needed; give it in the URL, PGPASSWORD or ~/.pgpass"),
    ("no pg_hba.conf entry", "the server does not let this user in from here (its pg_hba.conf says who may)"),
    ("permission denied", "this user may not create tables there; GRANT CREATE ON SCHEMA public lets it"),
    ("role", "no such user; give another one in the URL"),
    ("database", "no such database; createdb makes one"),
)
"""What the server says, beside ``does not exist`` for the last two, and what would be right."""


def database_error(error: BaseException) -> SQLAlchemyError | None:
    """The database's error that an exception is or was raised from."""
    from sqlalchemy.exc import SQLAlchemyError

    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, SQLAlchemyError):
        cause = cause.__cause__
    return cause


def is_gone(error: SQLAlchemyError) -> bool:
    """Whether the storage may answer if it is asked again: it restarts, the network is down, or others lock it."""
    from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
    from sqlalchemy.exc import TimeoutError as PoolTimeout

    if isinstance(error, PoolTimeout) or (isinstance(error, DBAPIError) and error.connection_invalidated):
        return True
    if not isinstance(error, OperationalError | InterfaceError):
        return False
    if type(error.orig).__module__.startswith("sqlite3"):
        return any(word in str(error.orig).lower() for word in _SQLITE_BUSY)
    return getattr(error.orig, "sqlstate", None) != _POSTGRES_FULL


def reason_of(error: BaseException) -> str:
    """What the database says, in one line without passwords."""
    return redacted(first_line(Exception(str(getattr(error, "orig", None) or error))).removeprefix("Exception: "))


def opening_problem(error: BaseException, public: str) -> InputError:
    """Why a storage cannot be used, and what would be right."""
    what, said = described(public), reason_of(error)
    text = str(getattr(error, "orig", None) or error)
    for words, advice in _ADVICE:
        if words in text and (words not in {"role", "database"} or "does not exist" in text):
            return InputError(f"storage: {what}: {advice}")
    if "unable to open" in text:
        return InputError(f"storage: {what}: cannot be opened or written; its folder must be there")
    if "not a database" in text or "malformed" in text:
        return InputError(f"storage: {what}: not a SQLite database, or damaged")
    return InputError(f"storage: {what}: no answer ({said}); is the server running there? A storage is {FORMS}")
