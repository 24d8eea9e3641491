"""Where output goes: figures to stdout, progress to stderr, plain when nobody watches."""

import json
from collections.abc import Iterable
from typing import Annotated, Any

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from nas_search.printable import printable

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document as the last line.")]

# Wide enough for a notation when the output goes to a file.
PLAIN_WIDTH = 160


def stdout() -> Console:
    """For figures and tables."""
    return _console(stderr=False)


def stderr() -> Console:
    """For progress and notes, so that stdout stays clean for machines."""
    return _console(stderr=True)


def print_json(document: dict[str, Any]) -> None:
    """The document on one line."""
    print(json.dumps(document, allow_nan=False), flush=True)


class PlainConsole(Console):
    """Takes texts as they are: names of others hold neither markup nor emoji codes, and move no cursor."""

    def __init__(self, *, stderr: bool, width: int | None = None) -> None:
        super().__init__(stderr=stderr, width=width, highlight=False, markup=False, emoji=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """As any console, with marks in the place of control characters that are none of rich's own."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=printable(segment.text))


def _console(*, stderr: bool) -> Console:
    console = PlainConsole(stderr=stderr)
    return console if console.is_terminal else PlainConsole(stderr=stderr, width=PLAIN_WIDTH)
