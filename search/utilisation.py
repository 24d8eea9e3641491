"""How busy workers were: counted while a search runs, kept with its events."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nas_search.search.events import Clock, Log, read_events
from nas_search.search.executors.base import Executor

WORKERS_EVENT = "workers"


class Utilisation(BaseModel):
    """Time of workers in seconds, all of them together: ``busy`` at jobs, out of the ``present`` ones there were."""

    model_config = ConfigDict(frozen=True)

    busy: float = Field(ge=0, allow_inf_nan=False)
    present: float = Field(gt=0, allow_inf_nan=False)

    @property
    def idle_share(self) -> float:
        """The share of the time in which workers had nothing to do."""
        return max(0.0, 1 - self.busy / self.present)

    def __str__(self) -> str:
        """For people."""
        return f"{1 - self.idle_share:.1%} busy in {self.present:,.0f} s of workers' time, {self.idle_share:.1%} idle"


@contextmanager
def counted(executor: Executor, workers: int, log: Log, clock: Clock = time.monotonic) -> Iterator[None]:
    """Write down how busy ``workers`` are meanwhile; a disk that is full has its own error already."""
    busy, began = executor.busy_seconds, clock()
    try:
        yield
    finally:
        present = workers * (clock() - began)
        with suppress(OSError):
            log.append(WORKERS_EVENT, busy=round(executor.busy_seconds - busy, 3), present=round(present, 3))


def utilisation(events: Path) -> Utilisation | None:
    """Of the search phase, over all sittings that ended by themselves or were interrupted; None before."""
    found = [one for event in read_events(events) if (one := _read(event)) is not None]
    if not found:
        return None
    return Utilisation(busy=sum(one.busy for one in found), present=sum(one.present for one in found))


def _read(event: dict[str, object]) -> Utilisation | None:
    if event.get("event") != WORKERS_EVENT:
        return None
    try:
        return Utilisation.model_validate({name: event.get(name) for name in Utilisation.model_fields})
    except ValidationError:
        return None
