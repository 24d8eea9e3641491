"""One simulated search from the first proposal to the last confirmation, in virtual time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from optuna.storages import InMemoryStorage

from nas_search.profiler.workload import Workload
from nas_search.proxies.twin import TwinRule
from nas_search.search.batch import run_jobs
from nas_search.search.choice import search_front, worth_confirming
from nas_search.search.config import SearchConfig
from nas_search.search.goals import Goals
from nas_search.search.jobs import Job
from nas_search.search.journal import proposal_index
from nas_search.search.objectives import LOSS
from nas_search.search.planning.planned_training import PlannedTraining
from nas_search.search.planning.rates import DriverRates
from nas_search.search.planning.training_model import TrainingModel
from nas_search.search.problem import SearchProblem
from nas_search.search.rungs import Ladder
from nas_search.search.samplers.base import genome_of
from nas_search.search.samplers.factory import MakeSampler
from nas_search.search.simulation.simulate import Replay, simulate_search
from nas_search.search.simulation.virtual_executor import VirtualClock, VirtualExecutor
from nas_search.search.space_members import SpaceMembers
from nas_search.search.trial import TrialRecord
from nas_search.space.architecture import Architecture
from nas_search.space.genome import Genome
from nas_search.space.search_space import SearchSpace

PENALTY_LOSS = 8.0
"""Bits per byte of a model that knows nothing."""


@dataclass(frozen=True)
class PhaseTime:
    """``seconds`` by the clock, and those of all workers at jobs, together."""

    seconds: float
    busy_seconds: float


@dataclass(frozen=True)
class Schedule:
    """What one simulated search took.

    ``tail`` are the seconds of the search after its last proposal, in which workers that end have nothing more to do,
    and ``tail_idle`` the workers' idle seconds in it, together. ``on_rungs`` counts the trials that did each rung,
    ``driver_seconds`` are those in which the driver proposed, ``genomes`` what it proposed, in order.
    """

    phases: Mapping[str, PhaseTime]
    tail: float
    tail_idle: float
    driver_seconds: float
    on_rungs: tuple[int, ...]
    genomes: tuple[Genome, ...]

    @property
    def total(self) -> PhaseTime:
        """All phases, one after the other."""
        phases = self.phases.values()
        return PhaseTime(sum(one.seconds for one in phases), sum(one.busy_seconds for one in phases))


@dataclass(frozen=True)
class Planned:
    """What is simulated: a configuration with its space, what trainings take, and the sampler that proposes.

    ``make_sampler`` need not make samplers of the configuration, which only say how long a proposal takes.
    """

    config: SearchConfig
    space: SearchSpace
    twins: TwinRule | None
    ladder: Ladder
    model: TrainingModel
    driver: DriverRates
    make_sampler: MakeSampler

    def schedule(self) -> Schedule:
        """Simulate the search once."""
        config = self.config
        training = PlannedTraining(self.model, self.ladder, config.recipe)
        goals = Goals.stored((config.workload, LOSS), ())
        members = SpaceMembers(self.space, goals, self._latencies, self.twins)
        storage = InMemoryStorage()
        replay = simulate_search(
            config,
            SearchProblem(members, goals, PENALTY_LOSS),
            training,
            self.make_sampler,
            storage=storage,
            thinking=self._thinking,
        )
        tail = replay.seconds - replay.last_proposal
        return Schedule(
            phases={
                "table": self._table(),
                "search": PhaseTime(replay.seconds, replay.busy_seconds),
                "confirmation": self._confirmation(training, _chosen(replay, config, goals)),
            },
            tail=tail,
            tail_idle=config.worker_count * tail - replay.busy_after,
            driver_seconds=sum(map(self._thinking, range(len(replay.records)))),
            on_rungs=_on_rungs(replay, self.ladder),
            genomes=_genomes(storage, self.space),
        )

    def _latencies(self, architectures: Sequence[Architecture], workload: Workload) -> Iterable[float]:
        return [self.model.latency(architecture) for architecture in architectures]

    def _thinking(self, proposals: int) -> float:
        return self.driver.proposal_seconds(self.config.sampler, proposals)

    def _table(self) -> PhaseTime:
        """None with a table that is there."""
        cells = 0 if self.config.table else len(self.space.operator_specs()) * len(self.space.widths)
        return PhaseTime(cells * self.driver.table_seconds, cells * self.driver.table_seconds)

    def _confirmation(self, training: PlannedTraining, members: list[TrialRecord]) -> PhaseTime:
        """Members are measured one after the other, then trained with all seeds on all workers."""
        config, clock = self.config, VirtualClock()
        measuring = len(members) * self.driver.measuring_seconds
        tokens = config.confirm_tokens or config.tokens
        jobs = [
            training.confirm_job(member.trained_as, member.fingerprint, tokens, seed)
            for member in members
            for seed in range(config.confirm_seeds)
        ]
        executor = VirtualExecutor(config.worker_count, clock, seconds=training.seconds, finish=_nothing)
        with closing(executor):
            run_jobs(executor, jobs)
            return PhaseTime(measuring + clock(), measuring + executor.busy_seconds)


def _chosen(replay: Replay, config: SearchConfig, goals: Goals) -> list[TrialRecord]:
    records = replay.records
    front = search_front(records, goals)
    return worth_confirming(front, config.confirm_members, goals, goals.reference(records, PENALTY_LOSS))


def _on_rungs(replay: Replay, ladder: Ladder) -> tuple[int, ...]:
    reached = [len(record.rung_scores) for record in replay.records if record.trained]
    return tuple(sum(rungs > rung for rungs in reached) for rung in range(len(ladder.tokens)))


def _genomes(storage: InMemoryStorage, space: SearchSpace) -> tuple[Genome, ...]:
    """Of all proposals of the one study in ``storage``, in their order."""
    (study,) = storage.get_all_studies()
    trials = sorted(storage.get_all_trials(study._study_id, deepcopy=False), key=proposal_index)
    return tuple(genome_of(trial.params, space.genes) for trial in trials)


def _nothing(job: Job) -> None:
    """A confirmation's result is not asked for."""
