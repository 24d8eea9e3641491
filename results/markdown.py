"""Words of others in a table of Markdown: data paths, devices and origins stay in their cell, whatever they are."""

from __future__ import annotations

from collections.abc import Iterable

from nas_search.printable import printable

_ESCAPES = str.maketrans({"|": "\\|", "<": "&lt;", "`": "'", "[": "\\["})


def inline(text: str) -> str:
    """Text on one line that begins no cell, no markup of HTML, no code and no link."""
    return printable(" ".join(text.split())).translate(_ESCAPES)


def rows(pairs: Iterable[tuple[str, str]]) -> str:
    """Rows of a table with two columns."""
    return "\n".join(f"| {inline(name)} | {inline(value)} |" for name, value in pairs)
