"""Reading a study in a database, with as little as that takes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from nas_search.errors import InputError, first_problem
from nas_search.search.journal import FACTS
from nas_search.search.rundir import RunDirectory
from nas_search.search.storage.database import open_database
from nas_search.search.storage.home import StoredStudy
from nas_search.search.storage.problems import database_error, opening_problem
from nas_search.search.storage.url import described, file_of
from nas_search.search.trial import Confirmation

CONFIRMATIONS = "confirmations"


class KeptConfirmation(BaseModel):
    """A confirmation and where it was made: the host and the run directory, in which the weights are."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str
    run_dir: str
    confirmation: Confirmation


_BY_FINGERPRINT = TypeAdapter(dict[str, KeptConfirmation])


def read_shared(run: RunDirectory, public: str, name: str) -> StoredStudy:
    """The study called ``name``; empty if it was not begun. Raises InputError if it cannot be read."""
    where = f"study '{name}' in {described(public)}"
    with reading(public) as storage:
        try:
            study_id = storage.get_study_id_from_name(name)
        except KeyError:
            return StoredStudy(where, [], {}, {}, {})
        attributes = storage.get_study_user_attrs(study_id)
        trials = storage.get_all_trials(study_id, deepcopy=False)
    kept = kept_confirmations(attributes, where)
    return StoredStudy(
        where,
        trials,
        dict(attributes.get(FACTS, {})),
        {fingerprint: one.confirmation for fingerprint, one in kept.items()},
        {name: f"{one.host}:{one.run_dir}" for name, one in kept.items() if not _has_weights(run.path, one)},
    )


def _has_weights(run_dir: Path, kept: KeptConfirmation) -> bool:
    """Whether they are here: run directories are moved, and on two hosts they may have the same path."""
    return (run_dir / kept.confirmation.best.weights).is_file()


def kept_confirmations(attributes: Mapping[str, Any], where: str) -> dict[str, KeptConfirmation]:
    """The confirmations among a study's attributes. Raises InputError if they are damaged."""
    try:
        return _BY_FINGERPRINT.validate_python(attributes.get(CONFIRMATIONS, {}))
    except ValidationError as error:
        raise InputError(f"{where}: damaged confirmations ({first_problem(error)})") from None


def shared_stamp(public: str, name: str) -> object:
    """Differs whenever trials or confirmations do; None while the storage does not answer."""
    query = text(
        "SELECT count(*), sum(CASE WHEN state = 'RUNNING' THEN 0 ELSE 1 END), max(datetime_complete) FROM trials "
        "JOIN studies ON studies.study_id = trials.study_id WHERE study_name = :name"
    )
    try:
        with reading(public) as storage, storage.engine.connect() as connection:
            trials = tuple(connection.execute(query, {"name": name}).one())
            kept = storage.get_study_user_attrs(storage.get_study_id_from_name(name)).get(CONFIRMATIONS, {})
            return (*trials, len(kept))
    except (InputError, KeyError):
        return None


@contextmanager
def reading(public: str) -> Iterator[RDBStorage]:
    """The storage, closed in the end. Raises InputError if it cannot be read."""
    file = file_of(public)
    if file is not None and not file.is_file():
        raise InputError(f"storage: {described(public)}: no such file")
    if file is not None and not _holds_studies(file):  # opening it would make tables in it
        raise InputError(f"storage: {described(public)}: no database of studies")
    storage = open_database(public, RDBStorage)
    try:
        yield storage
    except (SQLAlchemyError, StorageInternalError) as error:
        raise opening_problem(database_error(error) or error, public) from None
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _holds_studies(file: Path) -> bool:
    """Whether a SQLite file has the table of studies; it is only read."""
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as database:
            found = database.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'studies'")
            return found.fetchone() is not None
    except sqlite3.Error:
        return False
