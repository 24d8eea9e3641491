"""A wall clock that jumps back and forth by hours, at every look at it."""

from __future__ import annotations

import datetime
import itertools
import time
from collections.abc import Iterator
from typing import Any


def jump(hours: list[float], role: str) -> None:
    """From now on, ``time.time`` and, in the driver, ``datetime.now`` are off by these in turn; none: by nothing.

    Workers record tables, and pyarrow crashes where another class stands in the place of ``datetime``.
    """
    if not hours:
        return
    offsets = itertools.cycle(3600 * hour for hour in hours)
    _patch_time(offsets)
    if role == "driver":
        _patch_datetime(offsets)


def _patch_time(offsets: Iterator[float]) -> None:
    real = time.time
    time.time = lambda: real() + next(offsets)
    time.time_ns = lambda: int(1e9 * time.time())


def _patch_datetime(offsets: Iterator[float]) -> None:
    real = datetime.datetime

    class Kind(type):
        def __instancecheck__(cls, value: object) -> bool:
            return isinstance(value, real)

    class Jumping(real, metaclass=Kind):  # type: ignore[misc, valid-type]
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return real.now(tz) + datetime.timedelta(seconds=next(offsets))

    datetime.datetime = Jumping  # type: ignore[misc]
