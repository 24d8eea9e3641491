"""Texts that are quickly prepared, and what must come of them."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nas_search.proxies.shards.tokens import ShardedTokens
from nas_search.proxies.windows import Tokens

DOCUMENTS = [f"document {number}: " + f"{number % 13} little ducks went out\n" * (number % 9) for number in range(900)]


def write_jsonl(path: Path, documents: Sequence[str] = DOCUMENTS) -> Path:
    """A JSONL file with ``documents``."""
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in documents))
    return path


def row(tokens: Tokens) -> "np.ndarray[tuple[int], np.dtype[np.unsignedinteger]]":
    """All tokens of a side."""
    assert isinstance(tokens, ShardedTokens)
    return tokens[np.arange(len(tokens))]


def documents_of(tokens: Tokens) -> list[str]:
    """The documents of a side whose tokens are bytes."""
    return bytes(row(tokens)).decode().split("\0")[:-1]
