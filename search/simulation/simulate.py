"""A whole search in a table, in virtual time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter

from optuna.storages import BaseStorage, InMemoryStorage
from optuna.trial import FrozenTrial

from nas_search.search.config import PROPOSALS_PER_TRIAL, SearchConfig
from nas_search.search.events import Clock, SilentLog, SilentObserver, Stopwatch
from nas_search.search.journal import Candidate, StudyJournal
from nas_search.search.loop import SearchLoop
from nas_search.search.problem import SearchProblem
from nas_search.search.proposer import Proposer
from nas_search.search.samplers.base import distributions
from nas_search.search.samplers.factory import MakeSampler, sampler_maker
from nas_search.search.samplers.options import SamplerOptions
from nas_search.search.simulation.recorded_training import RecordedTraining
from nas_search.search.simulation.search_table import SearchTable
from nas_search.search.simulation.virtual_executor import VirtualClock, VirtualExecutor
from nas_search.search.trial import TrialRecord


@dataclass(frozen=True)
class Replay:
    """What a simulated search found.

    ``records`` are all trials of the study in the order of proposals. ``seconds`` is the virtual time that this sitting
    took, ``told_at`` the second at which it told each trial, by number. ``thinking`` are the real seconds that each of
    its proposals took.
    """

    records: tuple[TrialRecord, ...]
    seconds: float
    told_at: Mapping[int, float]
    thinking: tuple[float, ...]

    @property
    def median_thinking(self) -> float:
        """Real seconds for a proposal. Raises StatisticsError if there was none."""
        return median(self.thinking)


def simulate(
    table: SearchTable,
    sampler: str | MakeSampler,
    *,
    trials: int,
    seed: int,
    workers: int = 1,
    options: SamplerOptions | None = None,
    deterministic: bool = False,
    latency_limit: float | None = None,
    storage: BaseStorage | None = None,
) -> Replay:
    """Search in ``table`` until ``trials`` candidates are trained, by the engine of a real search.

    ``sampler`` is one by name, with ``options``, or a function that makes one for each proposal. What is slower than
    ``latency_limit`` (milliseconds) is not trained. The study is in memory unless there is a ``storage``; one that is
    there already is gone on with. Raises InputError for an unknown sampler and for numbers out of range.
    """
    fields = {"trials": trials, "seed": seed, "workers": workers, "deterministic": deterministic}
    config = SearchConfig.checked(fields | {"proposals": PROPOSALS_PER_TRIAL * trials}, "simulation")
    if isinstance(sampler, str):
        sampler = sampler_maker(sampler, options or SamplerOptions.model_validate({}))
    problem = table.problem(latency_limit)
    clock = VirtualClock()
    training = RecordedTraining(table.ladder, table.losses, table.seconds)
    proposer, observer = _TimedProposer(Proposer(problem, sampler, seed)), _Register(clock)
    loop = SearchLoop(
        config,
        StudyJournal(storage or InMemoryStorage(), distributions(problem.space.genes), problem.goals),
        proposer,
        training,
        executor=VirtualExecutor(workers, clock, seconds=training.seconds, finish=training.finish),
        observer=observer,
        log=SilentLog(),
        watch=Stopwatch(SilentLog(), {}, clock),
    )
    loop.run()
    records = sorted(loop.ledger.told.values(), key=lambda record: record.proposal_index)
    return Replay(tuple(records), clock(), observer.told_at, tuple(proposer.seconds))


class _Register(SilentObserver):
    """Notes when trials are told."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.told_at: dict[int, float] = {}

    def trial(self, record: TrialRecord) -> None:
        """A trial ended."""
        self.told_at[record.number] = self._clock()


@dataclass
class _TimedProposer:
    """A proposer whose proposals are timed, in real seconds."""

    proposer: Proposer
    seconds: list[float] = field(default_factory=list)

    @property
    def problem(self) -> SearchProblem:
        """That of the proposer."""
        return self.proposer.problem

    def propose(self, journal: StudyJournal, trial: FrozenTrial, seen: Mapping[str, int]) -> Candidate:
        """The proposer's proposal."""
        started = perf_counter()
        candidate = self.proposer.propose(journal, trial, seen)
        self.seconds.append(perf_counter() - started)
        return candidate
