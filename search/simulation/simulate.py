"""A whole search in virtual time: in a table, or with whatever else stands in for training."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter
from typing import Protocol

import numpy as np
from optuna.storages import BaseStorage, InMemoryStorage
from optuna.trial import FrozenTrial

from nas_search.search.config import PROPOSALS_PER_TRIAL, SearchConfig
from nas_search.search.events import Clock, SilentLog, SilentObserver, Stopwatch
from nas_search.search.jobs import Job
from nas_search.search.journal import Candidate, StudyJournal, record_of
from nas_search.search.loop import SearchLoop
from nas_search.search.problem import SearchProblem
from nas_search.search.proposer import Proposer
from nas_search.search.samplers.base import distributions
from nas_search.search.samplers.factory import MakeSampler, sampler_maker
from nas_search.search.samplers.options import SamplerOptions
from nas_search.search.simulation.recorded_training import RecordedTraining
from nas_search.search.simulation.search_table import SearchTable
from nas_search.search.simulation.virtual_executor import VirtualClock, VirtualExecutor
from nas_search.search.training import RungTraining
from nas_search.search.trial import TrialRecord

Thinking = Callable[[int], float]
"""Virtual seconds that the driver spends on a proposal, from how many there were before."""


class VirtualTraining(RungTraining, Protocol):
    """Training that takes virtual time."""

    def seconds(self, job: Job) -> float:
        """How long a job takes."""

    def finish(self, job: Job) -> None:
        """A job is done: there is a result from now on."""


@dataclass(frozen=True)
class Replay:
    """What a simulated search found.

    ``records`` are all trials of the study in the order of proposals. ``seconds`` is the virtual time that this sitting
    took, ``told_at`` the second at which it told each trial, by number, ``last_proposal`` the one of its last proposal.
    ``busy_seconds`` is the time that workers trained, all together, and ``busy_after`` the part of it after the last
    proposal. ``thinking`` are the real seconds that each of its proposals took.
    """

    records: tuple[TrialRecord, ...]
    seconds: float
    told_at: Mapping[int, float]
    last_proposal: float
    busy_seconds: float
    busy_after: float
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
    training = RecordedTraining(table.ladder, table.losses, table.seconds)
    return simulate_search(config, table.problem(latency_limit), training, sampler, storage=storage)


def simulate_search(
    config: SearchConfig,
    problem: SearchProblem,
    training: VirtualTraining,
    make_sampler: MakeSampler,
    *,
    storage: BaseStorage | None = None,
    thinking: Thinking = lambda proposals: 0.0,
) -> Replay:
    """Search for ``problem`` as ``config`` says, by the engine of a real search.

    Proposals take the virtual time that ``thinking`` says, in which workers go on with what they have; without it none.
    """
    clock = VirtualClock()
    spans = _Spans(clock, training)
    executor = VirtualExecutor(config.worker_count, clock, seconds=spans.seconds, finish=training.finish)
    proposer = _TimedProposer(Proposer(problem, make_sampler, config.seed), clock, thinking)
    observer = _Register(clock)
    journal = StudyJournal(storage or InMemoryStorage(), distributions(problem.space.genes), problem.goals)
    with closing(executor):
        SearchLoop(
            config,
            journal,
            proposer,
            training,
            executor=executor,
            observer=observer,
            log=SilentLog(),
            watch=Stopwatch(SilentLog(), {}, clock),
        ).run()
    records = sorted(map(record_of, journal.trials()), key=lambda record: record.proposal_index)
    return Replay(
        records=tuple(records),
        seconds=clock(),
        told_at=observer.told_at,
        last_proposal=proposer.last,
        busy_seconds=spans.after(0.0),
        busy_after=spans.after(proposer.last),
        thinking=tuple(proposer.seconds),
    )


class _Spans:
    """Notes when jobs run."""

    def __init__(self, clock: Clock, training: VirtualTraining) -> None:
        self._clock, self._training = clock, training
        self._starts, self._ends = array("d"), array("d")

    def seconds(self, job: Job) -> float:
        """How long a job takes that starts now."""
        seconds = self._training.seconds(job)
        self._starts.append(self._clock())
        self._ends.append(self._clock() + seconds)
        return seconds

    def after(self, moment: float) -> float:
        """Seconds that jobs ran after a moment, all together."""
        starts, ends = np.array(self._starts), np.array(self._ends)
        return float(np.maximum(ends - np.maximum(starts, moment), 0.0).sum())


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
    """A proposer whose proposals are timed, in real seconds, and take virtual time; ``last`` is when one was made."""

    proposer: Proposer
    clock: VirtualClock
    thinking: Thinking
    seconds: list[float] = field(default_factory=list)
    last: float = 0.0

    @property
    def problem(self) -> SearchProblem:
        """That of the proposer."""
        return self.proposer.problem

    def propose(self, journal: StudyJournal, trial: FrozenTrial, seen: Mapping[str, int]) -> Candidate:
        """The proposer's proposal."""
        started = perf_counter()
        candidate = self.proposer.propose(journal, trial, seen)
        self.seconds.append(perf_counter() - started)
        self.clock.now += self.thinking(trial.number)
        self.last = self.clock()
        return candidate
