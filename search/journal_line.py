"""A line of the journal with a checksum: a bit that a disk changes in a figure would go unnoticed."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any

_KEY = b',"crc32":"'
_DIGITS = 8
_ENDING = len(_KEY) + _DIGITS + len('"}\n')


def sealed(log: Mapping[str, Any]) -> bytes:
    """An operation as a line, with the checksum of all the rest as its last field, which Optuna leaves alone."""
    body = json.dumps(log, separators=(",", ":")).encode()
    return body[:-1] + _KEY + b'%08x"}\n' % zlib.crc32(body)


def unsealed(line: bytes) -> bytes:
    """The JSON of a line, without its checksum. Raises ValueError if that is wrong; earlier versions wrote none."""
    at = line.rfind(_KEY, max(len(line) - _ENDING, 0))
    if at < 0:
        return line
    body = line[:at] + b"}"
    if line[at + len(_KEY) :].rstrip() != b'%08x"}' % zlib.crc32(body):
        raise ValueError("a line whose checksum is wrong")
    return body
