"""Progress for people: bars with the time left on a terminal, short plain lines elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


def bars(console: Console) -> Progress:
    """The layout of every progress display."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[text]}", markup=False),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )


@contextmanager
def progress_bar(console: Console, description: str) -> Iterator[Callable[[int, int], None]]:
    """A bar as a callable ``(done, total)``; nothing is drawn when nobody watches."""
    with bars(console) as progress:
        task = progress.add_task(description, total=None, text="")
        yield lambda done, total: progress.update(task, completed=done, total=total)
