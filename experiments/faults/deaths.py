"""Cells in which a process dies, hangs, is asked to stop or finds no memory."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import moments
from cell import INTERRUPTED, KILLED, Cell, Fault, Kind, Moment, Sitting
from kinds import FAKE, FAKE_ALONE, FAKE_RECORDING, REAL, REAL_RECORDING

GO_ON = r"^Interrupted\. Go on with: nas-search resume "
STALL = ("--stall-minutes", "0.1")
HUNG_THRICE = "the worker died 3 times .no progress for 0.1 min."
KILLED_THRICE = "the worker died 3 times .killed by SIGKILL, probably out of memory."
MIB = float(2**20)
Needs = tuple[str, ...]
_WHILE_SEARCHING = (
    moments.FIRST_TRIAL,
    moments.PROPOSING,
    moments.RUNG_BEGINS,
    moments.MID_HIGHER_RUNG,
    moments.CHECKPOINT,
    moments.WRITING_RESULT,
    moments.BETWEEN_RUNGS,
    moments.AT_TELL,
)
_AFTERWARDS = (
    moments.MEASURING,
    moments.CONFIRM_TRAINING,
    moments.WRITING_CONFIRMATIONS,
    moments.INSIDE_WINNER,
    moments.WRITING_WINNER,
    moments.WRITING_REPORT,
)
_STOPPED = (
    moments.FIRST_TRIAL,
    moments.BETWEEN_RUNGS,
    moments.AT_TELL,
    moments.CONFIRM_TRAINING,
    moments.INSIDE_WINNER,
)
_REAL = (moments.MID_RUNG, moments.CHECKPOINT, moments.MEASURING, moments.CONFIRM_TRAINING)


def cells() -> Iterator[Cell]:
    """All of them."""
    yield from (_killed_driver(at, FAKE_RECORDING) for at in (moments.RECORDING, moments.TABLE_STORED))
    yield from (_killed_driver(at, FAKE) for at in _WHILE_SEARCHING)
    yield from (_killed_driver(at, FAKE) for at in _AFTERWARDS)
    yield _killed_driver(moments.RECORDING, REAL_RECORDING)
    yield from (_killed_driver(at, REAL) for at in _REAL)

    yield _killed_worker(moments.RECORDING, FAKE_RECORDING)
    for at in (moments.RUNG_BEGINS, moments.WRITING_RESULT, moments.BETWEEN_RUNGS, moments.MEASURING):
        yield _killed_worker(at, FAKE)
    yield from (_killed_worker(at, REAL) for at in _REAL)

    for at in (moments.RUNG_BEGINS, moments.MID_HIGHER_RUNG):
        yield _failed_candidate("three deaths at a candidate", Fault("kill", at, times=3), KILLED_THRICE)
    # The member is confirmed without this seed, which the next sitting tries again.
    seed = Fault("kill", moments.CONFIRM_TRAINING, times=3)
    yield Cell("three deaths at a seed", seed.at.name, FAKE, (Sitting((seed,)),))
    yield _hopeless(moments.RECORDING, "table could not be recorded: the worker died 3 times", FAKE_RECORDING)
    yield _hopeless(moments.MEASURING, "could not be measured: the worker died 3 times", FAKE)

    yield _stopped("SIGINT", moments.RECORDING, FAKE_RECORDING)
    for name in ("SIGINT", "SIGTERM"):
        yield from (_stopped(name, at, FAKE) for at in _STOPPED)
    yield _stopped("SIGINT", moments.MID_RUNG, REAL)
    yield _stopped("SIGTERM", moments.MEASURING, REAL)

    yield from _out_of_memory()
    for at in (moments.MID_RUNG, moments.MEASURING):
        yield _hanging_once(at)
    hangs = Fault("hang", moments.RUNG_BEGINS, times=3)
    yield _failed_candidate("three hung kernels", hangs, HUNG_THRICE, options=STALL)


def _out_of_memory() -> Iterator[Cell]:
    """A limit of the process is an error in it; the kernel kills a process whose control group has nothing left."""
    asked = Fault("ask for memory", moments.RUNG_BEGINS, amount=64 * MIB)
    yield _failed_candidate("out of memory", asked, "^out of memory$")
    asked = Fault("ask torch for memory", moments.MID_RUNG, amount=64 * MIB)
    yield _failed_candidate("out of memory", asked, "^out of memory", REAL)
    killed = Fault("out of memory", moments.RUNG_BEGINS, times=3)
    yield _failed_candidate("killed by the kernel", killed, KILLED_THRICE, needs=("memory group",))


def _killed_driver(at: Moment, kind: Kind) -> Cell:
    return Cell("kill -9 of the driver", at.name, kind, (Sitting((_to_driver(at, signal.SIGKILL),), KILLED),))


def _stopped(name: str, at: Moment, kind: Kind) -> Cell:
    """Asked to stop, by Ctrl-C or by whoever ends processes."""
    return Cell(name, at.name, kind, (Sitting((_to_driver(at, signal.Signals[name]),), INTERRUPTED, GO_ON),))


def _killed_worker(at: Moment, kind: Kind) -> Cell:
    """Another worker does the job; the search notices nothing."""
    return Cell("kill -9 of a worker", at.name, kind, (Sitting((Fault("kill", at),)),))


def _hopeless(at: Moment, says: str, kind: Kind) -> Cell:
    """Without this there is no search: it has failed, and goes on when it works again."""
    return Cell("three deaths of a worker", at.name, kind, (Sitting((Fault("kill", at, times=3),), 1, says),))


def _failed_candidate(
    name: str, fault: Fault, reason: str, kind: Kind = FAKE_ALONE, *, needs: Needs = (), options: Needs = ()
) -> Cell:
    """A candidate that cannot be trained has failed; the search goes on, like one where it fails for another reason.

    With one worker it is the same candidate in both.
    """
    reference = (Fault("raise RuntimeError", fault.at),)
    steps = (Sitting((fault,)),)
    return Cell(name, fault.at.name, kind, steps, reference, failed=reason, needs=needs, options=options)


def _hanging_once(at: Moment) -> Cell:
    """Its worker is killed, and another one does the job."""
    return Cell("hung kernel", at.name, FAKE, (Sitting((Fault("hang", at),)),), options=STALL)


def _to_driver(at: Moment, number: signal.Signals) -> Fault:
    return Fault("signal driver", at, amount=number)
