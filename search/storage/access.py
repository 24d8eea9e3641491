"""How a driver gets at its study: alone in its run directory, or as one of several in a database."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Protocol

from optuna.distributions import CategoricalDistribution

from nas_search.search.config import SearchConfig
from nas_search.search.goals import Goals
from nas_search.search.journal import StudyJournal, read_study
from nas_search.search.journal_file import writable_storage
from nas_search.search.rundir import RunDirectory
from nas_search.search.trial import Confirmation

Note = Callable[[str], None]


class StudyAccess(Protocol):
    """A driver's way to its study, for one sitting."""

    def known_table(self, frozen: Path) -> AbstractContextManager[Path]:
        """The file of the latency table that the study was begun with: ``frozen``, unless only the study has it."""

    def beginning(self, run: RunDirectory, config: SearchConfig) -> AbstractContextManager[None]:
        """While the study is begun, or joined, in a run directory under its lock; by one driver at a time.

        ``config`` is resolved.
        What the study needs is in the run directory inside, and what was made there is in the study afterwards. Raises
        InputError if the study was begun with another configuration, or by another program.
        """

    def facts(self, run: RunDirectory) -> dict[str, Any]:
        """What the study was begun with; empty for a new one."""

    def journal(
        self, run: RunDirectory, distributions: Mapping[str, CategoricalDistribution], goals: Goals
    ) -> StudyJournal:
        """The study, to be written."""

    def confirming(self) -> AbstractContextManager[bool]:
        """Whether the front is this driver's to confirm. What was confirmed inside is in the study afterwards."""

    def confirmed(self) -> Mapping[str, Confirmation]:
        """What other drivers confirmed, by fingerprint."""


class JournalAccess:
    """To a study in a file of the run directory, whose lock keeps all others out."""

    def known_table(self, frozen: Path) -> AbstractContextManager[Path]:
        """That of the run directory."""
        return nullcontext(frozen)

    def beginning(self, run: RunDirectory, config: SearchConfig) -> AbstractContextManager[None]:
        """Nothing to wait for."""
        return nullcontext()

    def facts(self, run: RunDirectory) -> dict[str, Any]:
        """As the journal has them."""
        return read_study(run.journal)[1] if run.journal.exists() else {}

    def journal(
        self, run: RunDirectory, distributions: Mapping[str, CategoricalDistribution], goals: Goals
    ) -> StudyJournal:
        """The journal, repaired if it needs that."""
        return StudyJournal(writable_storage(run.journal), distributions, goals)

    def confirming(self) -> AbstractContextManager[bool]:
        """It is."""
        return nullcontext(True)

    def confirmed(self) -> Mapping[str, Confirmation]:
        """There are no others."""
        return {}


@contextmanager
def study_access(config: SearchConfig, run_dir: Path, note: Note) -> Iterator[StudyAccess]:
    """The access that a configuration asks for. Raises InputError if its storage cannot be used."""
    if config.storage is None:
        yield JournalAccess()
        return
    from nas_search.search.storage.shared_access import SharedAccess

    access = SharedAccess(config, run_dir, note)
    try:
        yield access
    finally:
        access.close()
