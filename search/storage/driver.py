"""This process as one of a study's drivers: known to the others, heard of again and again, and what it alone may do."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from typing import NamedTuple

from sqlalchemy import ColumnElement, Engine, delete, or_, select, update
from sqlalchemy.exc import SQLAlchemyError

from nas_search.search.process_identity import ProcessIdentity
from nas_search.search.storage.patience import Patience
from nas_search.search.storage.tables import DRIVERS, LEASES, TRIALS, now, upsert

_ENDED = 0.0
"""When the belief in a driver expires that said good-bye, or is known to be gone."""


@dataclass(frozen=True)
class LeaseTimes:
    """A driver is believed dead that was not heard of for ``lease_seconds``; it speaks every ``heartbeat_seconds``."""

    lease_seconds: float = 60.0
    heartbeat_seconds: float = 10.0


LEASE_TIMES = LeaseTimes()


class Holder(NamedTuple):
    """A driver that has something: its name in the tables, which process it is, its run directory, if it is dead."""

    key: str
    identity: ProcessIdentity | None
    run_dir: str
    is_dead: bool = False

    def __str__(self) -> str:
        return f"{self.identity or 'a process'} ({self.run_dir})"


class Driver:
    """A driver of the study called ``study``, by the name ``key``, from :meth:`begin` to :meth:`end`.

    All times are by the database's clock. Whoever was not heard of in time is dead, but not before the storage has
    answered for a while: after it was away nobody has been heard of.
    """

    def __init__(
        self, key: str, study: str, run_dir: Path, *, engine: Engine, patience: Patience, times: LeaseTimes
    ) -> None:
        self.key, self.study, self._run_dir = key, study, str(run_dir.absolute())
        self._engine, self._patience, self._times = engine, patience, times
        self.identity = ProcessIdentity.own()
        self._ended = Event()
        self._thread = Thread(target=self._go_on_beating, daemon=True, name="heartbeat")

    @staticmethod
    def new_key() -> str:
        """A name that no driver had before."""
        return str(uuid.uuid4())

    def begin(self) -> None:
        """Tell the others that it is here, and go on telling them, in a thread of its own."""
        self._patience.ask(self._beat)
        self._thread.start()

    def end(self) -> None:
        """Tell the others that it is gone: what it has is free for all at once. A storage that is gone finds out."""
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=self._times.lease_seconds)
            with suppress(SQLAlchemyError), self._engine.begin() as connection:
                connection.execute(delete(LEASES).where(LEASES.c.driver == self.key))
                connection.execute(update(DRIVERS).where(DRIVERS.c.driver == self.key).values(expires=_ENDED))

    @contextmanager
    def with_lease(self, name: str, note: Callable[[str], None]) -> Iterator[None]:
        """While it has a lease. It waits as long as another driver has it; ``note`` hears whom it waits for."""
        waits_for: Holder | None = None
        while (holder := self.take(name)) is not None:
            if holder != waits_for:
                note(f"waiting for {holder}")
            waits_for = holder
            self._ended.wait(self._times.heartbeat_seconds / 10)
        try:
            yield
        finally:
            self.release(name)

    def take(self, name: str) -> Holder | None:
        """Take a lease that is free or whose holder is dead; returns the holder if it is neither."""
        self.bury_the_gone()
        return self._patience.ask(lambda: self._take(name))

    def release(self, name: str) -> None:
        """Give a lease back."""

        def give_back() -> None:
            mine = delete(LEASES).filter_by(study=self.study, name=name, driver=self.key)
            with self._engine.begin() as connection:
                connection.execute(mine)

        self._patience.ask(give_back)

    def holders(self, trial_ids: Collection[int]) -> dict[int, Holder]:
        """Who has each of the trials, dead or alive."""

        def read() -> dict[int, Holder]:
            dead = self._is_dead(TRIALS.c.driver)
            query = (
                select(TRIALS.c.trial_id, DRIVERS.c.driver, DRIVERS.c.identity, DRIVERS.c.run_dir, dead)
                .join(DRIVERS, DRIVERS.c.driver == TRIALS.c.driver)
                .where(TRIALS.c.trial_id.in_(trial_ids))
            )
            with self._engine.connect() as connection:
                return {trial: _holder(*rest) for trial, *rest in connection.execute(query)}

        return self._patience.ask(read) if trial_ids else {}

    def adopt(self, trial_id: int) -> bool:
        """Take a trial whose driver is dead; False if it is not."""

        def take() -> bool:
            taking = update(TRIALS).where(TRIALS.c.trial_id == trial_id, self._is_dead(TRIALS.c.driver))
            with self._engine.begin() as connection:
                return connection.execute(taking.values(driver=self.key)).rowcount == 1

        return self._patience.ask(take)

    def bury_the_gone(self) -> None:
        """Nobody needs to wait for a driver that ran on this machine and is not there any more."""

        def bury() -> None:
            believed = select(DRIVERS).where(DRIVERS.c.study == self.study, DRIVERS.c.expires != _ENDED)
            with self._engine.begin() as connection:
                found = [_holder(row.driver, row.identity, row.run_dir) for row in connection.execute(believed)]
                gone = [holder.key for holder in found if holder.identity is not None and holder.identity.is_gone]
                if gone:
                    connection.execute(update(DRIVERS).where(DRIVERS.c.driver.in_(gone)).values(expires=_ENDED))

        self._patience.ask(bury)

    def wait_for_the_silent(self, note: Callable[[str], None]) -> None:
        """Give whoever was not heard of in time the time to speak, if there is anybody; who does not is dead for good.

        So what is asked for only once, as the leases to be alone and to confirm, does not stay with the dead.
        """
        self.bury_the_gone()
        silent = (DRIVERS.c.study == self.study, DRIVERS.c.expires > _ENDED, DRIVERS.c.expires <= now(self._engine))
        said = False
        while not self._is_steady and self._patience.ask(lambda: self._is_any(*silent)):
            if not said:
                note("waiting for drivers that were not heard of: they may be cut off")
            said = not self._ended.wait(self._times.heartbeat_seconds / 10)
        self._patience.ask(lambda: self._bury(*silent))

    def _is_any(self, *conditions: ColumnElement[bool]) -> bool:
        with self._engine.connect() as connection:
            return connection.execute(select(DRIVERS.c.driver).where(*conditions)).first() is not None

    def _bury(self, *conditions: ColumnElement[bool]) -> None:
        with self._engine.begin() as connection:
            connection.execute(update(DRIVERS).where(*conditions).values(expires=_ENDED))

    def _take(self, name: str) -> Holder | None:
        insert = upsert(self._engine, LEASES).values(study=self.study, name=name, driver=self.key)
        taking = insert.on_conflict_do_update(
            index_elements=["study", "name"],
            set_={"driver": self.key},
            where=or_(LEASES.c.driver == self.key, self._is_dead(LEASES.c.driver)),
        )
        holder = (
            select(LEASES.c.driver, DRIVERS.c.identity, DRIVERS.c.run_dir)
            .outerjoin(DRIVERS, DRIVERS.c.driver == LEASES.c.driver)
            .where(LEASES.c.study == self.study, LEASES.c.name == name)
        )
        with self._engine.begin() as connection:
            connection.execute(taking)
            found = _holder(*connection.execute(holder).one())
        return None if found.key == self.key else found

    @property
    def _is_steady(self) -> bool:
        """Whether the storage has answered for long enough to be heard of."""
        return monotonic() - self._patience.steady_since > 2 * self._times.heartbeat_seconds

    def _is_dead(self, driver: ColumnElement[str]) -> ColumnElement[bool]:
        """Whether a driver ended, or was not heard of in time while it could have been."""
        deadline = now(self._engine) if self._is_steady else _ENDED
        # Not EXISTS with the driver inside: in what an INSERT does on conflict that would be any row of its table.
        return driver.not_in(select(DRIVERS.c.driver).where(DRIVERS.c.expires > deadline))

    def _beat(self) -> None:
        values = {"study": self.study, "identity": self.identity.text, "run_dir": self._run_dir}
        expires = now(self._engine) + self._times.lease_seconds
        insert = upsert(self._engine, DRIVERS).values(driver=self.key, expires=expires, **values)
        with self._engine.begin() as connection:
            connection.execute(insert.on_conflict_do_update(index_elements=["driver"], set_={"expires": expires}))

    def _go_on_beating(self) -> None:
        pause = self._times.heartbeat_seconds
        while not self._ended.wait(pause):
            pause = self._times.heartbeat_seconds
            try:
                self._beat()
            except SQLAlchemyError:  # the search itself tells of it, and waits for the storage too
                pause /= 10


def _holder(key: str, identity: str | None, run_dir: str | None, dead: bool = False) -> Holder:
    return Holder(key, ProcessIdentity.parse(identity or ""), run_dir or "", bool(dead))
