"""A worker's place on a cluster as the driver sees it: which actor, where, what it is at, and what it was asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nas_search.search.executors.base import Attempt, JobEvent
from nas_search.search.executors.cluster.placement import Host

Then = Callable[["RaySlot", Any], list[JobEvent]]
"""What to do with an actor's answer."""


class RaySlot:
    """One actor. At any time it is asked one thing at the most; ``then`` takes the answer."""

    def __init__(self, actor: Any, measures_on: Host | None) -> None:
        """``measures_on`` is the host where it was sent to measure, None for one that trains where there is room."""
        self.actor, self.measures_on = actor, measures_on
        self.node_id = self.host = ""
        self.attempt: Attempt | None = None
        self.begun = False
        self.job_seconds = 0.0
        self.corpora: dict[str, str] = {}
        self.call: Any = None
        self.then: Then | None = None

    @property
    def here(self) -> bool:
        """Whether it has said where it is."""
        return bool(self.host)

    @property
    def idle(self) -> bool:
        """Whether it can take a job."""
        return self.here and self.attempt is None

    def ask(self, call: Any, then: Then) -> None:
        """Note what the actor was asked."""
        self.call, self.then = call, then

    def take(self, attempt: Attempt) -> None:
        """It has a job."""
        self.attempt, self.begun, self.job_seconds = attempt, False, 0.0

    def leave(self) -> Attempt:
        """Its job is no longer its own."""
        attempt, self.attempt, self.call = self.attempt, None, None
        assert attempt is not None
        return attempt
