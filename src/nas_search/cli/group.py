"""Commands that stand together under one word."""

from collections.abc import Callable, Iterable
from typing import Any

import typer

from nas_search.cli.console import stderr
from nas_search.errors import InputError


def add_group(app: typer.Typer, name: str, about: str, commands: Iterable[Callable[..., Any]], missing: str) -> None:
    """Add ``commands`` to ``app`` under ``name``. Without one of them there is the help, and what is ``missing``."""

    def choose(context: typer.Context) -> None:
        if context.invoked_subcommand is None:
            print(context.get_help(), file=stderr().file)
            raise InputError(f"{name}: {missing}")

    group = typer.Typer(help=about, rich_markup_mode=None)
    group.callback(invoke_without_command=True, help=about)(choose)
    for command in commands:
        group.command()(command)
    app.add_typer(group, name=name)
