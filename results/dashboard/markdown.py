"""The little Markdown that notes are made of. Whatever comes from outside is put in backticks, where nothing acts."""

from collections.abc import Iterable, Sequence


def code(text: str) -> str:
    """Text on one line, in backticks that nothing in it can end."""
    return f"`{' '.join(text.split()).replace('`', chr(39))}`"


def block(text: str) -> str:
    """Lines as they are, in a fence that nothing in them can end."""
    return f"```\n{text.replace('`', chr(39))}\n```"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells may have Markdown in them."""
    return "\n".join([_row(head), _row(["---"] * len(head)), *map(_row, rows)])


def paragraphs(parts: Iterable[str]) -> str:
    """The parts with an empty line between them; empty ones are left out."""
    return "\n\n".join(part for part in parts if part)


def _row(cells: Sequence[str]) -> str:
    escaped = (cell.replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(escaped)} |"
