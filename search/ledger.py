"""What a search loop knows of its trials, kept up to date step by step: nothing here looks through all of them."""

from __future__ import annotations

from bisect import insort
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from optuna.trial import FrozenTrial

from nas_search.proxies.recall_result import RecallResult, RecallScore, recall_figures
from nas_search.proxies.rung_result import RungResult
from nas_search.search.jobs import Job, JsonObject
from nas_search.search.journal import Candidate, Outcome, proposal_index
from nas_search.search.recall_training import recall_scores
from nas_search.search.trial import TrialRecord, TrialState

EXHAUSTED_AFTER = 20
"""So many duplicates in a row, each mutated in vain, mean that the sampler has nothing new to propose."""


@dataclass
class Active:
    """A running trial: its candidate, the trainings on recall and the rungs that it has done, its job if there is one,
    its outcome once it is known. ``kept`` has results of jobs, by name, of another driver that was at it before.
    """

    trial: FrozenTrial
    candidate: Candidate
    kept: Mapping[str, JsonObject] = field(default_factory=dict)
    recalled: list[RecallResult] = field(default_factory=list)
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
    def recalls(self) -> dict[str, RecallScore]:
        """Its scores on recall tasks, as far as it is trained on them."""
        return recall_scores(self.recalled)

    @property
    def known(self) -> Candidate:
        """The candidate with recall among its figures."""
        return self.candidate.with_figures(recall_figures(self.recalls)) if self.recalled else self.candidate

    @property
    def seconds(self) -> float:
        """Seconds of training so far."""
        return sum(result.seconds for result in self._results)

    @property
    def reused(self) -> bool:
        """Whether all trainings that it has done were done in another run."""
        return bool(self._results) and all(result.reused for result in self._results)

    @property
    def _results(self) -> list[RecallResult | RungResult]:
        return [*self.recalled, *self.rungs]


class Ending(NamedTuple):
    """How a told trial ended, as far as duplicates of it need to know: all trials of a search are kept."""

    number: int
    state: TrialState
    bits_per_byte: float | None
    extrapolated: bool
    loss_sd: float | None
    reason: str | None
    recalls: Mapping[str, RecallScore]

    @classmethod
    def of(cls, record: TrialRecord) -> Ending:
        """That of a trial."""
        return cls(**{name: getattr(record, name) for name in cls._fields})


class Ledger:
    """The trials of a search: told ones by number, active ones by proposal; all counts and look-ups are at hand.

    ``seen`` has the numbers of trials by fingerprint; duplicates stand behind what they repeat. ``trained`` counts the
    told trials that were trained for this study, ``undecided`` the active ones without an outcome. ``elsewhere`` are
    the trials that other drivers are at, by number; nobody is at ``left`` of them any more. ``empty`` counts trials
    that somebody ended by other means, without a candidate. With ``in_order`` trials are told in the order of
    proposals.
    """

    def __init__(self, *, in_order: bool) -> None:
        self.told: dict[int, Ending] = {}
        self.active: dict[int, Active] = {}
        self.seen: dict[str, int] = {}
        self.elsewhere: Mapping[int, Candidate | None] = {}
        self.trained = self.undecided = self.empty = self.left = 0
        self._training = self._training_elsewhere = 0
        self._in_order = in_order
        self._ready: list[int] = []
        self._repeats: defaultdict[int, list[Active]] = defaultdict(list)
        self._latest: list[tuple[int, bool]] = []

    @property
    def proposals(self) -> int:
        """How many there are, which is also the index of the next one."""
        return len(self.told) + len(self.active) + len(self.elsewhere) + self.empty

    @property
    def training(self) -> int:
        """How many running trials are trained, or may be: one of another driver may have no candidate yet."""
        return self._training + self._training_elsewhere

    @property
    def exhausted(self) -> bool:
        """Whether the latest told proposals are all duplicates, and enough of them."""
        return len(self._latest) == EXHAUSTED_AFTER and all(duplicate for _, duplicate in self._latest)

    def begin(self, active: Active) -> None:
        """A trial runs."""
        candidate = active.candidate
        self.active[active.index] = active
        self.undecided += 1
        self._training += candidate.fate == "train"
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
        if not self._ready or (self._in_order and self._ready[0] != next(iter(self.active))):
            return None
        return self.active[heappop(self._ready)]

    def end(self, active: Active, record: TrialRecord) -> list[Active]:
        """An active trial is told; returns the active duplicates of it, whose outcome is known with that."""
        del self.active[active.index]
        self._training -= active.candidate.fate == "train"
        return self.add_told(record)

    def drop(self, active: Active) -> None:
        """An active trial is another driver's from now on."""
        del self.active[active.index]
        self._training -= active.candidate.fate == "train"
        self.undecided -= active.outcome is None
        self._ready = [index for index in self._ready if index != active.index]
        heapify(self._ready)
        for waiting in self._repeats.values():
            waiting[:] = [one for one in waiting if one is not active]

    def look_elsewhere(self, trials: Mapping[int, Candidate | None]) -> None:
        """What other drivers are at now, by number; without a candidate as long as it is being proposed."""
        self.elsewhere = trials
        self._training_elsewhere = sum(one is None or one.fate == "train" for one in trials.values())
        for number, candidate in trials.items():
            if candidate is not None and candidate.duplicate_of is None:
                self.seen[candidate.fingerprint] = number

    def add_told(self, record: TrialRecord) -> list[Active]:
        """A trial that is told, whenever and by whichever driver; returns the active duplicates of it."""
        self.told[record.number] = Ending.of(record)
        self.trained += record.trained_here
        if record.duplicate_of is None:
            self.seen[record.fingerprint] = record.number
        insort(self._latest, (record.proposal_index, record.state == "duplicate"))
        del self._latest[:-EXHAUSTED_AFTER]
        return self._repeats.pop(record.number, [])
