"""Cells in which others are about: a clock that is put right, a second search in the same directory."""

from __future__ import annotations

from collections.abc import Iterator

import moments
from cell import KILLED, Cell, Command, Fault, Kind, Moment, Sitting
from kinds import FAKE, FAKE_RECORDING, REAL, REAL_RECORDING

HOURS = (5.0, -7.0, 0.0, 30.0)
AN_HOUR = ("--hours", "1")


def cells() -> Iterator[Cell]:
    """All of them."""
    yield _jumping_clock(FAKE)
    yield _jumping_clock(REAL)
    yield Cell(
        "clock jumps by hours",
        moments.RECORDING.name,
        REAL_RECORDING,
        (Sitting(clock_jumps=HOURS),),
        options=AN_HOUR,
    )
    yield _second(moments.RECORDING, FAKE_RECORDING)
    for at in (moments.MID_RUNG, moments.CONFIRM_TRAINING):
        yield _second(at, FAKE)
    # All is done but the handing over, which replaces whole folders: the second one hands over too.
    both = Sitting((Fault("pause", moments.INSIDE_WINNER),), beside=(Sitting(),))
    yield Cell("a second search in the same directory", moments.INSIDE_WINNER.name, FAKE, (both,))
    yield _reader(moments.MID_RUNG)


def _jumping_clock(kind: Kind) -> Cell:
    """The wall clock is off by other hours at every look, while the search may take one hour."""
    killed = Sitting((Fault("kill", moments.AT_TELL._replace(nth=2)),), KILLED, clock_jumps=HOURS)
    return Cell("clock jumps by hours", "all along", kind, (killed, Sitting(clock_jumps=HOURS)), options=AN_HOUR)


def _second(at: Moment, kind: Kind) -> Cell:
    """Another search is started in the directory of one that is at work."""
    second = Sitting(exit_code=2, says="another search is running there .*; wait for it or choose another folder")
    first = Sitting((Fault("pause", at),), beside=(second,))
    return Cell("a second search in the same directory", at.name, kind, (first,))


def _reader(at: Moment) -> Cell:
    """Somebody reads a run that is at work."""
    first = Sitting((Fault("pause", at),), beside=(Command(("front", "{run}")), Command(("report", "{run}"))))
    return Cell("somebody reads the run", at.name, FAKE, (first,))
