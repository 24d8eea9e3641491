"""The README of a folder that other programs load without code of ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nas_search.results.export.base import ExportSource
from nas_search.results.export.card_parts import common_parts

_CARD = """\
---
library_name: transformers
pipeline_tag: text-generation
tags:
- nas-search
---

# {notation}

A language model of {parameters} parameters: {operators}. From {origin}, written by nas-search {version} in the
format `{format}`.
{figures}{notes}{no_weights}
## Use

{use}

## What is exact

{remarks}
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
    return _CARD.format(
        **common_parts(source),
        format=text.format,
        no_weights=_NO_WEIGHTS if source.model is None else "",
        use=text.use.strip(),
        remarks="\n".join([*(f"- {remark}" for remark in text.remarks), *_tokens(source)]),
    )


def _tokens(source: ExportSource) -> list[str]:
    if source.tokenizer is None:
        return [_NO_TOKENIZER]
    return [_BYTES] if source.tokenizer_name == "bytes" else []
