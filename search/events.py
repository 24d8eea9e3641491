"""What a search tells while it runs: to an observer, to events.jsonl, and how its seconds were spent."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol, TypeGuard

from nas_search.search.trial import TrialRecord

SECONDS_EVENT = "seconds"
# Whatever happens, at most this much of the account of seconds is lost.
SAVE_EVERY_SECONDS = 10.0


Clock = Callable[[], float]
"""Seconds since some moment, never going back."""


class Observer(Protocol):
    """Whoever shows the progress of a search, e.g. a terminal."""

    def phase(self, name: str, total: int | None) -> None:
        """A phase begins: ``table``, ``law``, ``search`` or ``confirm``, with ``total`` steps where that is known."""

    def advance(self, n: int = 1, text: str = "") -> None:
        """``n`` steps of the phase are done (0: none, but ``text`` is new)."""

    def trial(self, record: TrialRecord) -> None:
        """A trial ended."""

    def note(self, text: str) -> None:
        """Something that a person should know."""


class SilentObserver:
    """Shows nothing."""

    def phase(self, name: str, total: int | None) -> None:
        """Nothing."""

    def advance(self, n: int = 1, text: str = "") -> None:
        """Nothing."""

    def trial(self, record: TrialRecord) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""


class Log(Protocol):
    """Whoever writes down what happens."""

    def append(self, event: str, **fields: Any) -> None:
        """An event, with JSON-able fields."""


class SilentLog:
    """Writes nothing down."""

    def append(self, event: str, **fields: Any) -> None:
        """Nothing."""


class EventLog:
    """events.jsonl: one JSON object a line, with its time. For people and plots; nothing is resumed from it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._end_torn_line()

    def append(self, event: str, **fields: Any) -> None:
        """Add a line."""
        line = json.dumps({"time": round(time.time(), 3), "event": event, **fields})
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def _end_torn_line(self) -> None:
        if self.path.exists() and self.path.stat().st_size and not self.path.read_bytes().endswith(b"\n"):
            with self.path.open("a", encoding="utf-8") as file:
                file.write("\n")


def read_events(path: Path) -> list[dict[str, Any]]:
    """All events of a run, without lines that a crash left torn."""
    if not path.is_file():
        return []
    events = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            events.append(json.loads(line))
        except (ValueError, RecursionError):
            continue
    return [event for event in events if isinstance(event, dict)]


def seconds_by_phase(path: Path) -> dict[str, float]:
    """Seconds of wall time by phase, over all sittings of a run."""
    totals: dict[str, float] = defaultdict(float)
    for event in read_events(path):
        phase, seconds = event.get("phase"), event.get("seconds")
        if event.get("event") == SECONDS_EVENT and isinstance(phase, str) and _is_finite(seconds):
            totals[phase] += seconds
    return dict(totals)


_MOST_SECONDS = 1e15


def _is_finite(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and abs(value) < _MOST_SECONDS


class Stopwatch:
    """Splits the driver's time, by ``clock``, into phases: every moment belongs to exactly one.

    ``table``, ``law``, ``training``, ``recall``, ``measuring`` are the time spent waiting for such jobs, ``sampling``
    the time spent proposing, and ``other`` all the rest. Proposing while one of two workers trains is half training,
    half sampling.
    """

    def __init__(self, log: Log, before: Mapping[str, float], clock: Clock = time.monotonic) -> None:
        """``before`` has the seconds of earlier sittings."""
        self._log = log
        self._clock = clock
        self._before = sum(before.values())
        self._started = clock()
        self._seconds: dict[str, float] = defaultdict(float)
        self._phase = "other"
        self._since = self._saved = clock()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time inside belongs to ``name``; phases nest, the innermost counts."""
        try:
            with self._within(name):
                yield
        finally:
            if self._clock() - self._saved > SAVE_EVERY_SECONDS:
                self.save()

    @contextmanager
    def sampling(self, working: float) -> Iterator[None]:
        """Time inside is ``sampling``, but for the share ``working`` of the workers, who are ``training``."""
        with self._within("sampling"), self.partly("training", working):
            yield

    @contextmanager
    def partly(self, name: str, share: float) -> Iterator[None]:
        """Of the time inside, which is in a phase, a ``share`` belongs to ``name`` instead."""
        started = self._clock()
        yield
        if share:
            # Shared out before anything is saved: no line of the log is negative.
            part = share * (self._clock() - started)
            self._seconds[self._phase] -= part
            self._seconds[name] += part

    @property
    def total_seconds(self) -> float:
        """Time of all sittings so far."""
        return self._before + self._clock() - self._started

    def close(self) -> None:
        """Save the account; a disk that is full has its own error already."""
        with suppress(OSError):
            self.save()

    def save(self) -> None:
        """Append what has been counted since the last time to the log."""
        self._switch(self._phase)
        self._saved = self._since
        for name, seconds in self._seconds.items():
            self._log.append(SECONDS_EVENT, phase=name, seconds=round(seconds, 4))
        self._seconds.clear()

    @contextmanager
    def _within(self, name: str) -> Iterator[None]:
        outer = self._switch(name)
        try:
            yield
        finally:
            self._switch(outer)

    def _switch(self, name: str) -> str:
        now = self._clock()
        self._seconds[self._phase] += now - self._since
        before, self._phase, self._since = self._phase, name, now
        return before
