"""The README of a folder that other programs load without code of ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nas_search import __version__
from nas_search.results.export.base import ExportSource

_CARD = """\
---
library_name: transformers
pipeline_tag: text-generation
tags:
- nas-search
---

# {notation}

A language model of {parameters:,} parameters: {operators}. From {origin}, written by nas-search {version} in the
format `{format}`.
{figures}{notes}
## Use

{use}

## What is exact

{remarks}
"""
_FIGURES = """
| | |
|---|---|
{rows}

Times are those of nas-search's own decoding, not of this folder's.
"""
_NO_WEIGHTS = "\nThere are no weights in this folder, only what a network of this kind is made of.\n"
_BYTES = (
    "- Tokens are the bytes of UTF-8, numbered by their values. There is no padding token, and none that ends a text."
)
_NO_TOKENIZER = "- There is no tokenizer: these tokens have no text."


@dataclass(frozen=True)
class CardText:
    """What a card says of a format: ``use`` in Markdown, and remarks on what is exact and what is not."""

    format: str
    use: str
    remarks: Sequence[str]


def card(source: ExportSource, text: CardText) -> str:
    """Markdown; figures are those of the source, word for word."""
    architecture = source.architecture
    titles = [operator.title for operator in architecture.operators]
    rows = "\n".join(f"| {name} | {value} |" for name, value in source.figures)
    return _CARD.format(
        notation=architecture.notation,
        parameters=architecture.parameters,
        operators=", ".join(f"{titles.count(title)} {title}" for title in dict.fromkeys(titles)),
        origin=source.origin,
        version=__version__,
        format=text.format,
        figures=_FIGURES.format(rows=rows) if rows else "",
        notes="".join(f"\n{note}\n" for note in source.notes) + (_NO_WEIGHTS if source.model is None else ""),
        use=text.use.strip(),
        remarks="\n".join([*(f"- {remark}" for remark in text.remarks), *_tokens(source)]),
    )


def _tokens(source: ExportSource) -> list[str]:
    if source.tokenizer is None:
        return [_NO_TOKENIZER]
    return [_BYTES] if source.tokenizer_name == "bytes" else []
