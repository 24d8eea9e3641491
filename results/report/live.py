"""report.html while the search runs: written again now and then, cheaply, and never in the way of the search."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from nas_search.results.report.write import write_report
from nas_search.search.study import Study

if TYPE_CHECKING:
    from nas_search.search.events import Clock, Observer
    from nas_search.search.trial import TrialRecord

AT_MOST_EVERY_SECONDS = 10.0
TIMES_ITS_COST = 100.0
"""Writing takes at most one second of CPU time in so many: thousands of trials take a while to read."""
SEARCH_PHASE = "search"


class LiveReport:
    """Passes everything on to ``observer``, and writes the report when there is something new in it.

    Only while candidates are proposed and trained: nothing may take the machine's time while it is measured. An error
    is kept from the search, which writes the report once more in the end.
    """

    def __init__(
        self, observer: Observer, run_dir: Path, clock: Clock = time.monotonic, cpu_clock: Clock = time.process_time
    ) -> None:
        self._observer, self._run_dir, self._clock, self._cpu_clock = observer, run_dir, clock, cpu_clock
        self._searching = self._changed = self._written = self._told = False
        self._due = clock()

    def phase(self, name: str, total: int | None) -> None:
        """A phase begins. A report is written before anything else happens in it, if the search has begun."""
        self._observer.phase(name, total)
        if self._searching or name == SEARCH_PHASE:
            self._write()
        self._searching = name == SEARCH_PHASE

    def advance(self, n: int = 1, text: str = "") -> None:
        """Something moved on."""
        self._observer.advance(n, text)
        if self._searching and self._changed and self._clock() >= self._due:
            self._write()

    def trial(self, record: TrialRecord) -> None:
        """A trial ended: the next chance to write is taken."""
        self._observer.trial(record)
        self._changed = True

    def note(self, text: str) -> None:
        """Something that a person should know."""
        self._observer.note(text)

    def stopped(self) -> None:
        """The search was interrupted or failed: a report that is there says so from now on."""
        if self._written:
            self._write()

    def _write(self) -> None:
        started = self._cpu_clock()
        try:
            write_report(Study.open(self._run_dir))
            self._written = True
        except Exception as error:
            self._tell_once(f"the report could not be written meanwhile: {error}")
        self._changed = False
        cost = TIMES_ITS_COST * (self._cpu_clock() - started)
        self._due = self._clock() + max(AT_MOST_EVERY_SECONDS, cost)

    def _tell_once(self, text: str) -> None:
        if not self._told:
            self._observer.note(text)
        self._told = True
