"""The one place that knows where the study of a run directory is, for whoever reads it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from optuna.trial import FrozenTrial

from nas_search.errors import InputError
from nas_search.search.config import LONGEST_NAME, SearchConfig
from nas_search.search.confirm import read_confirmations
from nas_search.search.journal import read_study
from nas_search.search.rundir import RunDirectory
from nas_search.search.trial import Confirmation


class StoredStudy(NamedTuple):
    """A study as it is stored: all trials, what it was begun with, and confirmations by fingerprint.

    ``where`` is for messages. ``weights_at`` says for fingerprints in which run directory, of which machine, the
    weights of confirmations are; it is empty where that is the run directory itself.
    """

    where: str
    trials: list[FrozenTrial]
    facts: dict[str, Any]
    confirmations: Mapping[str, Confirmation]
    weights_at: Mapping[str, str]


def read_stored(run: RunDirectory, config: SearchConfig) -> StoredStudy:
    """The study of a run as it is now; empty if it was not begun. Nothing is written.

    Raises InputError if it is damaged, or the storage cannot be read.
    """
    if config.storage is not None:
        from nas_search.search.storage.shared_reading import read_shared

        return read_shared(run, config.storage, study_name(config, run.path))
    trials, facts = read_study(run.journal) if run.journal.exists() else ([], {})
    return StoredStudy(str(run.journal), trials, facts, read_confirmations(run.path), {})


def study_stamp(run: RunDirectory) -> object:
    """Differs whenever the study's trials do."""
    if run.link.exists():
        from nas_search.search.storage.shared_reading import shared_stamp

        config = run.config()
        if config.storage is not None:
            return shared_stamp(config.storage, study_name(config, run.path))
    try:
        found = run.journal.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def study_name(config: SearchConfig, run_dir: Path) -> str:
    """What the study of a run is called in its storage."""
    return config.study or run_dir.absolute().name


def placed(config: SearchConfig, run_dir: Path) -> SearchConfig:
    """The configuration with the study's name filled in, if it is in a storage. Raises InputError if it is too long."""
    if config.storage is None:
        return config
    name = study_name(config, run_dir)
    if len(name) > LONGEST_NAME:
        raise InputError(f"study: '{name[:40]}...', from the run directory, is too long; give a name with --study")
    return config.model_copy(update={"study": name})
