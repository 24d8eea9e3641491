"""The run directory: one study, one directory, and nothing left behind by a run that never began."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import yaml

from nas_search.errors import InputError, is_disk_full, unreadable
from nas_search.files import sweep, write_text_atomic
from nas_search.search.config import SearchConfig
from nas_search.search.jobs import JOBS_FOLDER
from nas_search.search.lock import RunLock
from nas_search.search.run_links import check_links
from nas_search.search.training import CHECKPOINTS_FOLDER
from nas_search.space.search_space import SearchSpace, load_space
from nas_search.yaml_text import read_text

T = TypeVar("T")

CONFIG, SPACE, LOCK = "config.yaml", "space.yaml", "run.lock"
JOURNAL, TABLE, EVENTS = "study.journal", "table.parquet", "events.jsonl"
LINK = "study.storage"
"""Stands in place of the journal where the study is in a database."""
MENTIONED = 5
"""So many other runs are named in the place of one that is not there."""


class RunDirectory:
    """Where everything of one run is."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def config_file(self) -> Path:
        """The resolved configuration; a folder with this file is a run."""
        return self.path / CONFIG

    @property
    def space_file(self) -> Path:
        """The whole search space, whatever becomes of the file that it came from."""
        return self.path / SPACE

    @property
    def journal(self) -> Path:
        """The study, unless it is in a database."""
        return self.path / JOURNAL

    @property
    def link(self) -> Path:
        """Says which study of which database this is a run of, once that has begun."""
        return self.path / LINK

    @property
    def begun(self) -> bool:
        """Whether there is a study."""
        return self.journal.exists() or self.link.exists()

    @property
    def table(self) -> Path:
        """The latency table, frozen before trial 0."""
        return self.path / TABLE

    @property
    def events(self) -> Path:
        """The event log."""
        return self.path / EVENTS

    def config(self) -> SearchConfig:
        """The stored configuration. Raises InputError if this is no run or the file is damaged."""
        return SearchConfig.from_yaml(_read(self.config_file), str(self.config_file))

    def space(self) -> SearchSpace:
        """The stored search space."""
        return load_space(self.space_file)


def read_run(path: Path) -> RunDirectory:
    """An existing run. Raises InputError if there is none."""
    run = RunDirectory(path)
    try:
        found = run.config_file.is_file()
    except OSError:  # a name that is too long, or a folder that may not be looked into
        found = False
    if not found:
        raise InputError(f"{str(path)[:200]}: not a run directory ({_why_not(path)})")
    check_links(path, (JOBS_FOLDER, CHECKPOINTS_FOLDER))
    return run


@contextmanager
def open_run(path: Path, config: SearchConfig, space: SearchSpace) -> Iterator[RunDirectory]:
    """Create the run, or go on with the one that is there, under its lock.

    Raises InputError if another search runs there, if the folder is something else, or if the stored run differs
    in a field that must not. A directory that was created here goes again if bad input shows before the study
    begins.
    """
    run = RunDirectory(path)
    created = _make(path)
    try:
        with RunLock(path / LOCK):
            for folder in (path, path / JOBS_FOLDER, *path.glob(f"{CHECKPOINTS_FOLDER}/**/")):
                sweep(folder)
            _store_or_compare(run, config, space)
            yield run
    except InputError:
        if created and not run.begun:
            shutil.rmtree(created, ignore_errors=True)
        raise


def _why_not(path: Path) -> str:
    """Why a folder is no run; for one that is not there, which runs are beside it."""
    try:
        if path.exists():
            return f"no {CONFIG} in it"
        names = sorted(found.parent.name for found in path.parent.glob(f"*/{CONFIG}"))
    except OSError:
        names = []
    beside = [name for name in names if name.isprintable()]
    if not beside:
        return "there is nothing of that name"
    more = ", ..." if len(beside) > MENTIONED else ""
    return f"there is nothing of that name; runs beside it: {', '.join(beside[:MENTIONED])}{more}"


def _make(path: Path) -> Path | None:
    """Create the folders; returns the topmost one that was not there, None if the run directory was."""
    try:
        missing = [folder for folder in (path, *path.parents) if not folder.exists()]
        if path.exists() and not path.is_dir():
            raise InputError(f"{path}: a file; give a folder for the run")
        check_links(path, (JOBS_FOLDER, CHECKPOINTS_FOLDER))
        known = (path / CONFIG).is_file() or RunDirectory(path).begun
        if path.is_dir() and not known and _holds_something_else(path):
            raise InputError(f"{path}: not empty and not a run directory; give another folder")
        for folder in (path, path / JOBS_FOLDER, path / CHECKPOINTS_FOLDER):
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if is_disk_full(error):
            raise
        raise InputError(f"{str(path)[:200]}: cannot be a run directory: {error.strerror}") from None
    return missing[-1] if missing else None


def _holds_something_else(path: Path) -> bool:
    """Whether there is more than a run killed in its first moment leaves."""
    ours = {LOCK, SPACE, JOBS_FOLDER, CHECKPOINTS_FOLDER}
    half_written = (f".{CONFIG}.", f".{SPACE}.")
    return any(entry.name not in ours and not entry.name.startswith(half_written) for entry in path.iterdir())


def _store_or_compare(run: RunDirectory, config: SearchConfig, space: SearchSpace) -> None:
    if run.config_file.exists():
        stored = _stored(run.config)
        field = config.conflict_with(stored)
        if field is not None:
            raise InputError(
                f"{run.path}: begun with {field}: {stored.shown(field)}, now it is {config.shown(field)}; "
                f"give the same or another run directory"
            )
    if not (run.config_file.exists() and run.space_file.exists()):
        write_text_atomic(run.space_file, yaml.safe_dump(space.model_dump(mode="json"), sort_keys=False))
    elif _stored(run.space) != space:
        raise InputError(f"{run.path}: begun with another space '{space.name}'; give another run directory")
    if not run.config_file.exists() or run.config() != config:
        write_text_atomic(run.config_file, config.to_yaml())


def _stored(read: Callable[[], T]) -> T:
    """What a file of the run says. Raises InputError if it is damaged."""
    try:
        return read()
    except InputError as error:
        raise InputError(f"{error}; remove the file, and the same search writes it again") from None


def _read(path: Path) -> str:
    try:
        return read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {unreadable(error)}") from None
