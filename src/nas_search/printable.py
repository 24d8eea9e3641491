"""Texts of others on a terminal: what would move the cursor, colour, or turn the line around is shown as a mark."""

from __future__ import annotations

from unicodedata import category

MARK = "\N{REPLACEMENT CHARACTER}"
_KEPT = "\n\t"
_HIDDEN = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Control characters, half surrogate pairs, and separators that are line ends to some."""
_TURNS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def printable(text: str) -> str:
    """The text with a mark for each character that a terminal would act on, line ends and tabs left alone."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(MARK if _acts(character) else character for character in text)


def _acts(character: str) -> bool:
    return character not in _KEPT and (character in _TURNS or category(character) in _HIDDEN)
