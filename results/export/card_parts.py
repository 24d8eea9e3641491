"""What the cards of several formats tell of a network in the same words."""

from __future__ import annotations

from nas_search import __version__
from nas_search.results import figures
from nas_search.results.export.base import ExportSource
from nas_search.results.markdown import inline, rows

_FIGURES = """
| | |
|---|---|
{rows}

Times are those of nas-search's own decoding, not of this folder's.
"""


def common_parts(source: ExportSource) -> dict[str, str]:
    """Fields of a card's template by name; figures and notes are those of the source, word for word."""
    return {
        "notation": source.architecture.notation,
        "parameters": f"{source.architecture.parameters:,}",
        "operators": figures.operators(source.architecture),
        "origin": inline(source.origin),
        "version": __version__,
        "figures": _FIGURES.format(rows=rows(source.figures)) if source.figures else "",
        "notes": "".join(f"\n{inline(note)}\n" for note in source.notes),
    }
