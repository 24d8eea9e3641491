"""What a search loop knows of its trials, kept up to date step by step: nothing here looks through all of them."""

from __future__ import annotations

from bisect import insort
from collections import defaultdict
from dataclasses import dataclass, field
from heapq import heappop, heappush

from optuna.trial import FrozenTrial

from nas_search.proxies.rung_result import RungResult
from nas_search.search.jobs import Job
from nas_search.search.journal import Candidate, Outcome, proposal_index
from nas_search.search.trial import TrialRecord

EXHAUSTED_AFTER = 20
"""So many duplicates in a row, each mutated in vain, mean that the sampler has nothing new to propose."""


@dataclass
class Active:
    """A running trial: its candidate, the rungs it has done, its job if there is one, its outcome once it is known."""

    trial: FrozenTrial
    candidate: Candidate
    rungs: list[RungResult] = field(default_factory=list)
    job: Job | None = None
    outcome: Outcome | None = None

    @property
    def index(self) -> int:
        """Its proposal."""
        return proposal_index(self.trial)

    @property
    def losses(self) -> tuple[float, ...]:
        """Bits per byte at the rungs that it has done."""
        return tuple(rung.bits_per_byte for rung in self.rungs if rung.bits_per_byte is not None)

    @property
    def seconds(self) -> float:
        """Seconds of training so far."""
        return sum(rung.seconds for rung in self.rungs)

    @property
    def reused(self) -> bool:
        """Whether all rungs that it has done were trained in another run."""
        return bool(self.rungs) and all(rung.reused for rung in self.rungs)


class Ledger:
    """The trials of a search: told ones by number, active ones by proposal; all counts and look-ups are at hand.

    ``seen`` has the numbers of trials by fingerprint; duplicates stand behind what they repeat. ``trained`` counts the
    told trials that were trained here, ``training`` the active ones that are, ``undecided`` the active ones
    without an outcome. With ``in_order`` trials are told in the order of proposals.
    """

    def __init__(self, *, in_order: bool) -> None:
        self.told: dict[int, TrialRecord] = {}
        self.active: dict[int, Active] = {}
        self.seen: dict[str, int] = {}
        self.trained = self.training = self.undecided = 0
        self._in_order = in_order
        self._ready: list[int] = []
        self._repeats: defaultdict[int, list[Active]] = defaultdict(list)
        self._latest: list[tuple[int, bool]] = []

    @property
    def proposals(self) -> int:
        """How many there are, which is also the index of the next one."""
        return len(self.told) + len(self.active)

    @property
    def exhausted(self) -> bool:
        """Whether the latest told proposals are all duplicates, and enough of them."""
        return len(self._latest) == EXHAUSTED_AFTER and all(duplicate for _, duplicate in self._latest)

    def begin(self, active: Active) -> None:
        """A trial runs."""
        candidate = active.candidate
        self.active[active.index] = active
        self.undecided += 1
        self.training += candidate.fate == "train"
        if candidate.duplicate_of is None:
            self.seen[candidate.fingerprint] = active.trial.number
        elif candidate.duplicate_of not in self.told:
            self._repeats[candidate.duplicate_of].append(active)

    def settle(self, active: Active, outcome: Outcome) -> None:
        """An active trial's outcome is known; it waits to be told."""
        active.outcome = outcome
        self.undecided -= 1
        heappush(self._ready, active.index)

    def next_to_tell(self) -> Active | None:
        """The first proposal whose outcome is known, if its turn has come."""
        if not self._ready or (self._in_order and self._ready[0] != len(self.told)):
            return None
        return self.active[heappop(self._ready)]

    def end(self, active: Active, record: TrialRecord) -> list[Active]:
        """An active trial is told; returns the active duplicates of it, whose outcome is known with that."""
        del self.active[active.index]
        self.training -= active.candidate.fate == "train"
        self.add_told(record)
        return self._repeats.pop(record.number, [])

    def add_told(self, record: TrialRecord) -> None:
        """A trial that is told, now or in an earlier sitting."""
        self.told[record.number] = record
        self.trained += record.trained_here
        if record.duplicate_of is None:
            self.seen[record.fingerprint] = record.number
        insort(self._latest, (record.proposal_index, record.state == "duplicate"))
        del self._latest[:-EXHAUSTED_AFTER]
