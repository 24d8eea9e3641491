"""A driver's way to a study in a database, which other drivers may be at too."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast

from optuna.distributions import CategoricalDistribution
from optuna.storages import _CachedStorage
from optuna.trial import FrozenTrial
from sqlalchemy import delete, select

from nas_search.errors import InputError
from nas_search.files import write_atomic, write_text_atomic
from nas_search.search.config import SearchConfig
from nas_search.search.confirm import read_confirmations
from nas_search.search.goals import Goals
from nas_search.search.jobs import JOBS_FOLDER
from nas_search.search.journal import FACTS, StudyJournal, candidate_of
from nas_search.search.prior import PRIOR
from nas_search.search.rundir import TABLE, RunDirectory
from nas_search.search.storage.access import Note
from nas_search.search.storage.database import open_database
from nas_search.search.storage.driver import LEASE_TIMES, Driver, Holder, LeaseTimes
from nas_search.search.storage.fenced import FencedStorage
from nas_search.search.storage.patience import PATIENCE_SECONDS, Patience
from nas_search.search.storage.shared_journal import SharedJournal
from nas_search.search.storage.shared_reading import CONFIRMATIONS, KeptConfirmation, kept_confirmations
from nas_search.search.storage.tables import FILES, OF_A_STUDY, upsert
from nas_search.search.storage.url import described
from nas_search.search.training import CHECKPOINTS_FOLDER
from nas_search.search.trial import Confirmation

CONFIG = "config"
_LOCAL = frozenset(
    {"space", "data", "table", "warm_start", "latency_budget", "train_device", "train_parameters", "storage", "study"}
)
"""Fields that may differ between drivers: what comes of them is compared as a fact of the study, or taken from it."""
_SHARED_FILES = (TABLE, PRIOR)
_BEGIN, _ALONE, _CONFIRM = "begin", "deterministic", "confirm"


class SharedAccess:
    """One sitting of a driver, from the first look at the storage to :meth:`close`."""

    def __init__(
        self,
        config: SearchConfig,
        run_dir: Path,
        note: Note,
        *,
        times: LeaseTimes = LEASE_TIMES,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        """``config`` is placed: it has a storage and a study. Raises InputError if the storage cannot be used."""
        assert config.storage is not None and config.study is not None
        self._note, self._run_dir = note, run_dir.absolute()
        self._name, self._where = config.study, f"study '{config.study}' in {described(config.storage)}"
        key = Driver.new_key()
        storage = open_database(config.storage, lambda url, engine_kwargs: FencedStorage(url, engine_kwargs, key))
        self._patience = Patience(described(config.storage), note, patience_seconds)
        self._engine = storage.engine
        self._fenced = cast(FencedStorage, _Patient(storage, self._patience))
        self._storage = _CachedStorage(self._fenced)
        self._driver = Driver(
            key, self._name, self._run_dir, engine=storage.engine, patience=self._patience, times=times
        )

    def close(self) -> None:
        """Let go of everything."""
        self._driver.end()
        self._engine.dispose()

    @contextmanager
    def known_table(self, frozen: Path) -> Iterator[Path]:
        """The study's table in a file, for as long as that is needed."""
        stored = None if frozen.exists() else self._file(TABLE)
        if stored is None:
            yield frozen
            return
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / TABLE
            file.write_bytes(stored)
            yield file

    @contextmanager
    def beginning(self, run: RunDirectory, config: SearchConfig) -> Iterator[None]:
        """With the lease to begin; the study's files are fetched first, and kept in the end."""
        self._driver.begin()
        self._driver.wait_for_the_silent(self._note)
        with self._driver.with_lease(_BEGIN, lambda holder: self._note(f"{holder}, who begins or joins the study")):
            if run.link.exists() and self._study_id() is None:
                self._note(f"{self._where}: not there any more; it begins anew, from the results that are here")
            self._require_same(config)
            if config.deterministic:
                self._require_alone()
            for name in _SHARED_FILES:
                content = None if (run.path / name).exists() else self._file(name)
                if content is not None:
                    write_atomic(run.path / name, content)
            yield
            self._keep(run.path, config)
            write_text_atomic(run.link, f"{self._where}\n")

    def facts(self, run: RunDirectory) -> dict[str, Any]:
        """As the study has them."""
        return dict(self._attributes().get(FACTS, {}))

    def journal(
        self, run: RunDirectory, distributions: Mapping[str, CategoricalDistribution], goals: Goals
    ) -> StudyJournal:
        """The study. It is made anew, in the lease to begin, if there is none."""
        new = self._study_id() is None
        journal = SharedJournal(
            self._storage, self._fenced, self._driver, distributions, goals, adopted=self._take_over_files
        )
        study_id = self._study_id()
        assert study_id is not None
        if new:
            self._forget_older(study_id)
        elif self._fenced.get_study_directions(study_id) != journal.directions():
            raise self._not_ours()
        return journal

    @contextmanager
    def confirming(self) -> Iterator[bool]:
        """Whether nobody else is at it."""
        holder = self._driver.take(_CONFIRM)
        if holder is not None:
            self._note(f"the front is being confirmed by {holder}; its figures will be shown here too")
            yield False
            return
        yield True
        self._publish(read_confirmations(self._run_dir))
        self._driver.release(_CONFIRM)

    def confirmed(self) -> Mapping[str, Confirmation]:
        """As the study has them."""
        kept = kept_confirmations(self._attributes(), self._where)
        return {fingerprint: one.confirmation for fingerprint, one in kept.items()}

    def _publish(self, confirmations: Mapping[str, Confirmation]) -> None:
        """Put confirmations of this run directory into the study, beside those of other drivers."""
        study_id = self._study_id()
        if study_id is None or not confirmations:
            return
        host = self._driver.identity.host
        ours = {
            fingerprint: KeptConfirmation(host=host, run_dir=str(self._run_dir), confirmation=one)
            for fingerprint, one in confirmations.items()
        }
        kept = kept_confirmations(self._attributes(), self._where) | ours
        stored = {fingerprint: one.model_dump(mode="json") for fingerprint, one in kept.items()}
        self._fenced.set_study_user_attr(study_id, CONFIRMATIONS, stored)

    def _study_id(self) -> int | None:
        try:
            return self._fenced.get_study_id_from_name(self._name)
        except KeyError:
            return None

    def _attributes(self) -> dict[str, Any]:
        study_id = self._study_id()
        return {} if study_id is None else self._fenced.get_study_user_attrs(study_id)

    def _require_same(self, config: SearchConfig) -> None:
        """Raises InputError if the study was begun with another configuration, or by another program."""
        study_id, attributes = self._study_id(), self._attributes()
        if study_id is None:
            return
        if FACTS not in attributes:
            if self._fenced.get_all_trials(study_id, deepcopy=False):
                raise self._not_ours()
            return
        if CONFIG not in attributes:
            return
        begun = SearchConfig.checked(attributes[CONFIG], self._where)
        field = config.conflict_with(begun, but=_LOCAL)
        if field is not None:
            raise InputError(
                f"{self._where}: begun with {field}: {begun.shown(field)}, here it is {config.shown(field)}; "
                f"give the same, or another name with --study"
            )

    def _not_ours(self) -> InputError:
        return InputError(f"{self._where}: a study of another program; give another name with --study")

    def _require_alone(self) -> None:
        """Raises InputError if the order of proposals counts, and another driver is at work."""
        holder = self._driver.take(_ALONE)
        if holder is not None:
            raise InputError(f"{self._where}: --deterministic is for one driver, and {holder} is at it")

    def _file(self, name: str) -> bytes | None:
        study_id = self._study_id()
        query = select(FILES.c.content).where(FILES.c.study_id == study_id, FILES.c.name == name)

        def read() -> bytes | None:
            with self._engine.connect() as connection:
                return cast("bytes | None", connection.execute(query).scalar())

        return None if study_id is None else self._patience.ask(read)

    def _keep(self, run_dir: Path, config: SearchConfig) -> None:
        """Store what later drivers need and compare, unless earlier ones did."""
        study_id = self._study_id()
        files = [(name, run_dir / name) for name in _SHARED_FILES]
        rows = [
            {"study_id": study_id, "name": name, "content": file.read_bytes()} for name, file in files if file.exists()
        ]

        def write() -> None:
            with self._engine.begin() as connection:
                for row in rows:
                    connection.execute(upsert(self._engine, FILES).values(**row).on_conflict_do_nothing())

        if study_id is None:
            return
        self._patience.ask(write)
        if CONFIG not in self._attributes():
            self._fenced.set_study_user_attr(study_id, CONFIG, config.model_dump(mode="json"))

    def _forget_older(self, study_id: int) -> None:
        """What our tables have of a study that was deleted, and whose identifier is used again."""

        def clear() -> None:
            with self._engine.begin() as connection:
                for table in OF_A_STUDY:
                    connection.execute(delete(table).where(table.c.study_id == study_id))

        self._patience.ask(clear)

    def _take_over_files(self, trial: FrozenTrial, holder: Holder) -> None:
        """Results and checkpoints of an adopted trial, if its former driver's run directory can be seen from here.

        Otherwise its training begins anew at the first rung that the study has no result of.
        """
        candidate = candidate_of(trial)
        former = Path(holder.run_dir)
        if candidate is None or former == self._run_dir:
            return
        name = candidate.fingerprint
        with suppress(OSError):
            for result in (former / JOBS_FOLDER).glob(f"{name}-rung*.json"):
                shutil.copy(result, self._run_dir / JOBS_FOLDER / result.name, follow_symlinks=False)
            if (former / CHECKPOINTS_FOLDER / name).is_dir():
                target = self._run_dir / CHECKPOINTS_FOLDER / name
                shutil.copytree(former / CHECKPOINTS_FOLDER / name, target, dirs_exist_ok=True, ignore=_links)


def _links(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if (Path(folder) / name).is_symlink()]


class _Patient:
    """A storage whose every operation is done patiently."""

    def __init__(self, storage: FencedStorage, patience: Patience) -> None:
        self._storage, self._patience = storage, patience

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._storage, name)
        if not callable(found):
            return found

        def ask(*arguments: Any, **named: Any) -> Any:
            return self._patience.ask(lambda: found(*arguments, **named))

        return ask
