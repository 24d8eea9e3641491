"""Where output goes: figures to stdout, progress to stderr, plain when nobody watches."""

import json
from typing import Annotated, Any

import typer
from rich.console import Console

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


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr, highlight=False)
    return console if console.is_terminal else Console(stderr=stderr, highlight=False, width=PLAIN_WIDTH)
