"""Valid input, damaged: bytes, text and trees of JSON, each change drawn from a seeded generator."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

WORDS = (
    "", " ", "\t", "\n", "\r\n", "\0", "\x1b[31m", "\u202e", "\ufeff", "é", "\U0001f600", "'", '"', "`", "|", "\\",
    "../", "/etc/passwd", "~", "~root", "[red]", "</script>", "<b>", "{}", "[]", "[[[[", "((((", "))))", "{{{{",
    "- - - - -", "? ", ": ", "&a ", "*a", "<<: ", "!!binary ", "!!python/object:os.system ", "!!set ", "!!omap ",
    "!!timestamp ", "%YAML 9", "---", "...", "#", ",", ";", "=", "<=", ">=", ":", "x", "x2", "x0", "x999999999",
    "x00000000000000000001", "e", "E5", "-", "+", ".", "%", "null", "~", "true", "no", "yes", "NaN", "nan", ".nan",
    "Infinity", "-Infinity", ".inf", "inf", "1e999", "-1e999", "1e-999", "0x", "0b1", "0o7", "1_0", "1:1:1.5",
    "190:20:30", "2001-99-99", "2001-01-01T0:0:0+99:99", "٣", "\ud7ff", "\x7f", "\x85", "\u2028",
)  # fmt: skip
NUMBERS = (
    0, -1, 1, 2, 3, 255, 256, 65_535, 65_536, 2**31 - 1, 2**31, 2**32, 2**53, 2**63 - 1, 2**63, -(2**63), 10**12,
    10**15, 10**30, 10**400, 0.5, -0.5, 1e-300, 1e300, float("inf"), float("-inf"), float("nan"),
)  # fmt: skip
_RUN = re.compile(r"[0-9]+(?:\.[0-9]+)?")


def mutated_bytes(data: bytes, rng: Random) -> bytes:
    """The bytes with one to four of them or of their spans changed."""
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        data = rng.choice(_OF_BYTES)(data, rng)
    return data


def mutated_text(text: str, rng: Random, words: Sequence[str] = (), other: str = "") -> str:
    """The text with one to four spans changed; ``words`` belong to its language, ``other`` is a text to splice with."""
    for _ in range(rng.choice((1, 1, 1, 1, 2, 4))):
        change = rng.randrange(9)
        start, end = _span(len(text), rng)
        if change == 0:
            text = text[:start] + text[end:]
        elif change == 1:
            text = text[:start] + text[start:end] * rng.choice((2, 3, 50)) + text[end:]
        elif change == 2 and words:
            text = text[:start] + rng.choice(words) + text[start:]
        elif change == 3 and words:
            text = f"{text[:start]} {rng.choice(words)} {text[end:]}"
        elif change == 4 and other:
            text = text[:start] + other[_span(len(other), rng)[0] :]
        elif change == 5:
            text = _other_number(text, rng)
        elif change == 6:
            text = text[:start] + chr(rng.choice((rng.randrange(128), rng.randrange(0xD800)))) + text[start + 1 :]
        elif change == 7:
            text = text[:start] + rng.choice(WORDS) * rng.choice((1, 1, 1, 20, 600)) + text[end:]
        else:
            text = text[:start] + rng.choice(WORDS) + text[start:]
    return text


def mutated_lines(text: str, rng: Random) -> str:
    """The text with a line left out, repeated, moved, cut or spliced with another."""
    lines = text.splitlines(keepends=True) or [""]
    for _ in range(rng.choice((1, 1, 2, 3))):
        here, there = rng.randrange(len(lines)), rng.randrange(len(lines))
        change = rng.randrange(5)
        if change == 0 and len(lines) > 1:
            del lines[here]
        elif change == 1:
            lines.insert(there, lines[here])
        elif change == 2:
            lines[here], lines[there] = lines[there], lines[here]
        elif change == 3:
            lines[here] = lines[here][: rng.randrange(len(lines[here]) + 1)]
        else:
            lines[here] = lines[here][: rng.randrange(len(lines[here]) + 1)] + lines[there]
    return "".join(lines)


def mutated_tree(tree: Any, rng: Random) -> Any:
    """JSON with one to three of its nodes changed, wrapped, renamed, repeated or left out."""
    tree = json.loads(json.dumps(tree))
    for _ in range(rng.choice((1, 1, 2, 3))):
        places = list(_places(tree))
        if not places:
            return nasty_value(rng)
        holder, key = rng.choice(places)
        _change(holder, key, rng)
    return tree


def nasty_value(rng: Random) -> Any:
    """A value that a field hardly expects."""
    return rng.choice(
        (
            lambda: rng.choice(NUMBERS),
            lambda: rng.choice(WORDS) * rng.choice((1, 1, 300)),
            lambda: rng.choice((None, True, False, [], {}, [[]], {"": None})),
            lambda: [rng.choice(NUMBERS) for _ in range(rng.choice((1, 3, 40)))],
            lambda: {rng.choice(WORDS): rng.choice(NUMBERS)},
            lambda: _deep(rng.choice((3, 30, 200)), rng),
        )
    )()


def _deep(levels: int, rng: Random) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value] if rng.random() < 0.5 else {"a": value}
    return value


def _places(tree: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a tree."""
    found: list[tuple[Any, Any]] = []
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        keys = list(node) if isinstance(node, dict) else list(range(len(node))) if isinstance(node, list) else []
        found += [(node, key) for key in keys]
        waiting += [node[key] for key in keys]
    return found


def _change(holder: Any, key: Any, rng: Random) -> None:
    change, value = rng.randrange(8), holder[key]
    if change == 0:
        del holder[key]
    elif change == 1 and isinstance(holder, dict):
        holder[rng.choice(WORDS)] = holder.pop(key)
    elif change == 2 and isinstance(holder, list):
        holder += [value] * rng.choice((1, 5, 200))
    elif change == 3:
        holder[key] = [value] if rng.random() < 0.5 else {"a": value}
    elif change == 4 and isinstance(value, int | float) and abs(value) < 1e300:
        holder[key] = value * rng.choice((-1, 0, 2, 1000, 1e-9)) + rng.choice((0, 1, -1, 0.5))
    elif change == 5 and isinstance(value, str):
        holder[key] = mutated_text(value, rng)
    else:
        holder[key] = nasty_value(rng)


def _other_number(text: str, rng: Random) -> str:
    numbers = list(_RUN.finditer(text))
    if not numbers:
        return text
    found = rng.choice(numbers)
    value = rng.choice((*NUMBERS, "9" * 20, "9" * 5000, "0" * 30 + "1"))
    return (
        text[: found.start()]
        + str(value if not isinstance(value, int) or value < 10**40 else 10**40)
        + text[found.end() :]
    )


def _span(length: int, rng: Random) -> tuple[int, int]:
    start = rng.randrange(length + 1)
    return start, min(length, start + rng.choice((0, 1, 2, 5, 20, 200)))


def _flip(data: bytes, rng: Random) -> bytes:
    if not data:
        return b"\0"
    place = rng.randrange(len(data))
    return data[:place] + bytes([data[place] ^ (1 << rng.randrange(8))]) + data[place + 1 :]


def _overwrite(data: bytes, rng: Random) -> bytes:
    start, end = _span(len(data), rng)
    return data[:start] + rng.randbytes(end - start) + data[end:]


def _cut(data: bytes, rng: Random) -> bytes:
    start, end = _span(len(data), rng)
    return data[:start] + data[end:]


def _repeat(data: bytes, rng: Random) -> bytes:
    start, end = _span(len(data), rng)
    return data[:start] + data[start:end] * rng.choice((2, 100)) + data[end:]


def _truncate(data: bytes, rng: Random) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _integer(data: bytes, rng: Random) -> bytes:
    """Sizes and counts are little-endian in all of our formats but zigzag in Thrift: both are hit by extremes."""
    place = rng.randrange(len(data) + 1)
    code, value = rng.choice(
        (("<I", 2**32 - 1), ("<I", 2**31), ("<Q", 2**63 - 1), ("<Q", 2**40), ("<H", 65_535), ("<I", 0))
    )
    written = struct.pack(code, value)
    return data[:place] + written + data[place + len(written) :]


_OF_BYTES: tuple[Callable[[bytes, Random], bytes], ...] = (_flip, _flip, _overwrite, _cut, _repeat, _truncate, _integer)
