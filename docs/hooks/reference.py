"""What the program knows of itself, in place of comments in the pages, each time the site is built.

``<!-- options: nas-search front -->`` becomes a table of the command's arguments and options, ``<!-- formats -->`` one
of the export formats, and ``<!-- operators -->`` one of the operators with their options.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING

from typer.main import get_command

from nas_search.cli.main import app
from nas_search.results.export.registry import EXPORTERS
from nas_search.space.operators.registry import BUILT_IN

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

PROGRAM = "nas-search"

_MARK = re.compile(r"^<!-- (?P<what>options|formats|operators)(?:: (?P<command>[a-z -]+))? -->$", re.MULTILINE)
_REQUIRED = "  [required]"


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put tables where the comments are. Raises KeyError for a command that there is not."""
    return _MARK.sub(_table, markdown)


def options_table(command: str) -> str:
    """Arguments and options of ``nas-search front``, with what ``--help`` says of them."""
    found = get_command(app)
    for name in command.split()[1:]:
        found = found.commands[name]  # type: ignore[attr-defined]
    context = found.make_context(command, [], resilient_parsing=True)
    records = [parameter.get_help_record(context) for parameter in found.get_params(context)]
    rows = [(_code(names), escape(text.removesuffix(_REQUIRED))) for names, text in filter(None, records)]
    return _markdown(("argument or option", "what it is"), rows)


def formats_table() -> str:
    """Export formats, with what they are for."""
    return _markdown(("format", "what it gives"), [(_code(one.name), escape(one.about)) for one in EXPORTERS])


def operators_table() -> str:
    """Operators of this package: code, name, and options with the defaults that do not follow from the width."""
    rows = []
    for one in BUILT_IN:
        fields = one.model_fields.items()
        options = [
            (field.alias or name) + ("" if field.default is None else f"={_value(field.default)}")
            for name, field in fields
        ]
        rows.append((_code(one.code), one.title, ", ".join(map(_code, options))))
    return _markdown(("code", "operator", "options"), rows)


def commands() -> Iterator[str]:
    """All commands, those in groups too: ``nas-search``, ``nas-search resume``, ``nas-search table record``."""
    yield PROGRAM
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        members = getattr(command, "commands", None)
        yield from (f"{PROGRAM} {name}",) if members is None else (f"{PROGRAM} {name} {member}" for member in members)


def _table(mark: re.Match[str]) -> str:
    match mark["what"]:
        case "formats":
            return formats_table()
        case "operators":
            return operators_table()
        case _:
            return options_table(mark["command"])


def _value(default: object) -> str:
    """As the notation writes it."""
    if isinstance(default, bool):
        return "yes" if default else "no"
    return f"{default:g}" if isinstance(default, float) else str(default)


def _markdown(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _code(text: str) -> str:
    """As HTML: a table has no other way to show a bar in code."""
    return f"<code>{escape(text).replace('|', '&#124;')}</code>"
