"""What a cell of the matrix is made of, as data: a fault, a moment, and the steps of the story."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

KILLED = -9
INTERRUPTED = 130


class Moment(NamedTuple):
    """When: the ``nth`` event of a kind in processes of a role, with a subject (regular expression).

    The subject is a job's name, or a file relative to the run directory. ``within`` is a function that is being called.
    """

    name: str
    process: Literal["driver", "worker"]
    kind: Literal["open", "rename", "mkdir", "job", "progress", "returned", "stored"]
    subject: str
    nth: int = 1
    within: str = ""


@dataclass(frozen=True)
class Fault:
    """A deed of ``inject/deeds.py`` at a moment; several ``times``: again and again for the same subject."""

    deed: str
    at: Moment
    times: int = 1
    amount: float = 0

    def document(self) -> dict[str, Any]:
        """For the process that it happens in."""
        return {
            **self.at._asdict(),
            "moment": self.at.kind,
            "deed": self.deed,
            "times": self.times,
            "amount": self.amount,
        }


@dataclass(frozen=True)
class Sitting:
    """The search is started, and ends with ``exit_code``; ``says`` is a regular expression for its last line on stderr.

    ``seconds`` is the patience. ``beside`` happens while it stands still at a fault that pauses it.
    """

    faults: tuple[Fault, ...] = ()
    exit_code: int = 0
    says: str = ""
    options: tuple[str, ...] = ()
    clock_jumps: tuple[float, ...] = ()
    beside: tuple[Step, ...] = ()


@dataclass(frozen=True)
class Command:
    """Another command on the run: ``{run}`` in its arguments is the run directory."""

    arguments: tuple[str, ...]
    exit_code: int = 0
    says: str = ""


@dataclass(frozen=True)
class Change:
    """Somebody changes files, or the place where the run is.

    ``file`` is a pattern below the run directory; ``loses`` are jobs that may be done again, by the file's ``{stem}``.
    """

    act: Callable[[Path], None]
    file: str = "."
    loses: str = ""


Step = Sitting | Command | Change


@dataclass(frozen=True)
class Kind:
    """What sort of search a cell disturbs: its configuration, which jobs are stood in for, options of the command.

    ``gives_table`` says whether the search is given its latency table, or records one.
    """

    name: str
    config: Mapping[str, Any]
    functions: Mapping[str, str]
    gives_table: bool = True


@dataclass(frozen=True)
class Cell:
    """One fault at one moment. The same command once more must then end well, with what an undisturbed search finds.

    ``reference`` are faults that the undisturbed search has too, such as a candidate that fails; ``failed`` is what it
    gives as its reason. ``needs`` are places of ``places.py``.
    """

    fault: str
    moment: str
    kind: Kind
    steps: tuple[Step, ...]
    reference: tuple[Fault, ...] = ()
    failed: str = ""
    needs: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """As printed, and as --only looks for it."""
        kind = "" if self.kind.name == "fake" else f" ({self.kind.name})"
        return f"{self.fault} / {self.moment}{kind}"
