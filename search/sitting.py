"""One sitting of a run: what every stage works with."""

from __future__ import annotations

from dataclasses import dataclass

from nas_search.search.config import SearchConfig
from nas_search.search.events import EventLog, Observer, Stopwatch
from nas_search.search.executors.base import Executor
from nas_search.search.rundir import RunDirectory
from nas_search.search.setting import Setting


@dataclass(frozen=True)
class Sitting:
    """From one start of the driver to its end, however it ends; a run may take several."""

    setting: Setting
    run: RunDirectory
    executor: Executor
    observer: Observer
    log: EventLog
    watch: Stopwatch

    @property
    def config(self) -> SearchConfig:
        """The resolved configuration."""
        return self.setting.config
