"""Whose turn it is: told before each sample, so that a process that dies takes the blame to the right network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from nas_search.profiler.timing import Task

At = Callable[[int], object]


def announced(task: Task, index: int, at: At) -> Task:
    """The task, which says before each of its samples that it is the turn of ``index``."""

    def reset() -> None:
        at(index)
        task.reset()

    return replace(task, reset=reset)
