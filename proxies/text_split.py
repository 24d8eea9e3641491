"""Cutting text into a training and a validation part that share no document."""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

_CHUNK_CHARACTERS = 1 << 16


class Document(NamedTuple):
    """One text and the key whose hash decides on which side it goes."""

    key: str
    text: str


class SplitText(NamedTuple):
    """The two parts of a text."""

    train: str
    validation: str


def split_documents(documents: Sequence[Document]) -> SplitText:
    """Hold out one document in ten by a hash of its key; a single document is cut near its end instead.

    Documents with equal keys go to the same side. When chance holds out none or all, the one with the lowest hash
    is held out.
    """
    if len(documents) == 1:
        return split_lines(documents[0].text)
    held = {document.key for document in documents if _hash(document.key) % 10 == 0}
    if documents and len(held) in (0, len({document.key for document in documents})):
        held = {min((document.key for document in documents), key=_hash)}
    return SplitText(
        train="".join(_line_end(document.text) for document in documents if document.key not in held),
        validation="".join(_line_end(document.text) for document in documents if document.key in held),
    )


def split_lines(text: str) -> SplitText:
    """Hold out the last tenth of one text, cut behind the last line that ends before it, if there is one."""
    tenth = len(text) * 9 // 10
    cut = text.rfind("\n", 0, tenth) + 1 or tenth
    return SplitText(text[:cut], text[cut:])


def chunks(text: str) -> list[str]:
    """Pieces of about 64k characters that end with a line; one without line ends is cut where it is."""
    pieces, start = [], 0
    while start < len(text):
        end = start + _CHUNK_CHARACTERS
        if end < len(text):
            end = text.rfind("\n", start, end) + 1 or end
        pieces.append(text[start:end])
        start = end
    return pieces


def _hash(key: str) -> int:
    return int.from_bytes(hashlib.sha256(key.encode(errors="surrogateescape")).digest()[:8], "big")


def _line_end(text: str) -> str:
    return text if text.endswith("\n") else text + "\n"
