"""Cells in which the study is in a database that others stop, lock or fill."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import moments
from cell import KILLED, Cell, Fault, Moment, Sitting
from changes import make_room
from kinds import FAKE_POSTGRESQL, FAKE_SQLITE

AWAY_SECONDS = 4.0


def cells() -> Iterator[Cell]:
    """All of them."""
    for at in (moments.BETWEEN_RUNGS, moments.TOLD):
        yield _sqlite("kill -9 of the driver", at, Fault("signal driver", at, amount=signal.SIGKILL), exit_code=KILLED)
    yield _sqlite("database locked by others", moments.TOLD, Fault("lock database", moments.TOLD, amount=AWAY_SECONDS))
    full = Fault("fill disk", moments.TOLD)
    sitting = Sitting((full,), 1, "disk (is )?full")
    yield Cell("disk full", moments.TOLD.name, FAKE_SQLITE, (sitting, make_room()), needs=("disk", "sqlite"))

    killed = Fault("signal driver", moments.TOLD, amount=signal.SIGKILL)
    yield _postgresql("kill -9 of the driver", moments.TOLD, killed, exit_code=KILLED)
    for at in (moments.TOLD, moments.MEASURING):
        yield _postgresql("storage gone and back", at, Fault("server away", at, amount=AWAY_SECONDS))


def _sqlite(name: str, at: Moment, fault: Fault, exit_code: int = 0) -> Cell:
    return Cell(name, at.name, FAKE_SQLITE, (Sitting((fault,), exit_code),), needs=("sqlite",))


def _postgresql(name: str, at: Moment, fault: Fault, exit_code: int = 0) -> Cell:
    return Cell(name, at.name, FAKE_POSTGRESQL, (Sitting((fault,), exit_code),), needs=("postgresql",))
