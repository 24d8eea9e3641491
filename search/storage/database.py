"""Opening a database as Optuna's storage, and reading a study of it."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from typing import Any, TypeVar

import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy.exc import SQLAlchemyError

from nas_search.errors import InputError
from nas_search.search.storage.problems import database_error, is_gone, opening_problem
from nas_search.search.storage.tables import METADATA
from nas_search.search.storage.url import described, engine_url, password_of

_OPENINGS = 6
_SQLITE_SECONDS = 60
"""How long a writer waits for others; SQLite has one at a time."""
S = TypeVar("S", bound=RDBStorage)


def open_database(public: str, make: Callable[..., S]) -> S:
    """The storage that ``make(url, engine_kwargs=...)`` makes, with all tables that are needed.

    ``public`` is from :func:`~nas_search.search.storage.url.public_url`. Several drivers may open a new database at
    once: whoever finds its tables half made tries again. Raises InputError if it cannot be used.
    """
    _be_quiet()
    for attempt in range(_OPENINGS):
        try:
            storage = make(engine_url(public), engine_kwargs=_engine_arguments(public))
            METADATA.create_all(storage.engine)
        except ImportError:
            raise InputError(
                "storage: PostgreSQL needs the package psycopg; pip install 'nas-search[postgres]' has it"
            ) from None
        except RuntimeError as error:
            raise InputError(f"storage: {described(public)}: {error}") from None
        except (SQLAlchemyError, StorageInternalError) as error:
            cause = database_error(error)
            assert cause is not None
            if attempt == _OPENINGS - 1 or (is_gone(cause) and "locked" not in str(cause)):
                raise opening_problem(cause, public) from None
            time.sleep(random.uniform(0.1, 0.5))
        else:
            return storage
    raise AssertionError  # the last attempt returned or raised


def _engine_arguments(public: str) -> dict[str, Any]:
    """A connection is tried before it is used, and one that is cut is noticed: by default that takes hours."""
    if public.startswith("sqlite"):
        return {"connect_args": {"timeout": _SQLITE_SECONDS}, "hide_parameters": True}
    password = password_of(public)
    secret = {} if password is None else {"password": password}
    patience = {"connect_timeout": 10, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
    return {
        "pool_pre_ping": True,
        "hide_parameters": True,
        "connect_args": {"application_name": "nas-search", "tcp_user_timeout": 30_000} | patience | secret,
    }


def _be_quiet() -> None:
    """Errors are told once, by us: what these would print has tracebacks, and parts of statements."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
