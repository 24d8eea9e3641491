"""A search on the terminal: a bar for the phase, a line for every trial, nothing lost when it ends."""

from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import TaskID
from rich.text import Text

from nas_search.cli.progress import bars

if TYPE_CHECKING:
    from nas_search.search.trial import TrialRecord

_ABOUT = "≈"
_PHASES = {"table": "latency table", "law": "scaling law", "search": "search", "confirm": "confirm"}
_STYLES = {
    "complete": "green",
    "stopped": "dim",
    "over_limit": "yellow",
    "below_limit": "yellow",
    "duplicate": "dim",
    "failed": "red",
}


class TerminalObserver:
    """Shows phases and trials on ``console``; implements :class:`nas_search.search.events.Observer`."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = bars(console)
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def phase(self, name: str, total: int | None) -> None:
        """Replace the bar by that of the next phase."""
        if self._task is not None:
            self._bars.remove_task(self._task)
        description = _PHASES.get(name, name)
        self._task = self._bars.add_task(description, total=total, text="")
        if not self._console.is_terminal:
            self._console.print(f"{description} ...", markup=False)

    def advance(self, n: int = 1, text: str = "") -> None:
        """Move the bar on."""
        if self._task is not None:
            self._bars.update(self._task, advance=n, text=text)

    def trial(self, record: "TrialRecord") -> None:
        """One line for a trial that ended; its latency is predicted, and the loss of one that was stopped is too."""
        latency = f"{_ABOUT}{record.latency_ms:.4g}".rjust(9) + " ms"
        loss = (
            ""
            if record.bits_per_byte is None
            else f"{_ABOUT * record.extrapolated}{record.bits_per_byte:.4f} bits/byte"
        )
        recalls = "".join(f"{score.mean:6.1%} {task}  " for task, score in record.recalls.items())
        line = f"{record.proposal_index:4d}  {record.state:10}  {latency}  {loss:>17}  {recalls}{record.architecture}"
        self._console.print(Text(f"{line}  {record.reason or ''}".rstrip(), style=_STYLES.get(record.state, "")))

    def note(self, text: str) -> None:
        """A line of its own."""
        self._console.print(text, markup=False)
