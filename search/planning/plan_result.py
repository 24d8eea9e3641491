"""What a plan says, ready for JSON."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from pydantic import BaseModel, ConfigDict


class Spread(BaseModel):
    """A figure over simulated searches: mean, least and most."""

    model_config = ConfigDict(frozen=True)

    mean: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """That of at least one value."""
        return cls(mean=fmean(values), least=min(values), most=max(values))


class PhasePlan(BaseModel):
    """``worker_hours`` are those of all workers while the phase lasts, ``busy_hours`` those that they spend at jobs."""

    model_config = ConfigDict(frozen=True)

    name: str
    hours: Spread
    worker_hours: Spread
    busy_hours: Spread

    @property
    def utilisation(self) -> float:
        """The share of the workers' time that is spent at jobs; 0 in a phase that takes none."""
        return self.busy_hours.mean / self.worker_hours.mean if self.worker_hours.mean else 0.0


class WorkersPlan(BaseModel):
    """The whole with some number of workers: means over the simulated searches."""

    model_config = ConfigDict(frozen=True)

    workers: int
    hours: float
    worker_hours: float
    utilisation: float


class Plan(BaseModel):
    """What a search is expected to take.

    ``tokens`` are those of the rungs, ``on_rungs`` the mean numbers of trials that do each. ``rates`` says where
    seconds come from, ``rates_measured`` is False if their level was given; ``tokens_per_second`` is what a random
    member trains at on one worker, by the mean seconds of a token. ``tail_hours`` are those of the search after its
    last proposal, ``tail_idle`` the share of the workers' time in them that is idle; ``driver_hours`` those in which
    the driver proposes.
    """

    model_config = ConfigDict(frozen=True)

    trials: int
    workers: int
    sampler: str
    deterministic: bool
    space: str
    tokens: tuple[int, ...]
    on_rungs: tuple[float, ...]
    rates: str
    rates_measured: bool
    tokens_per_second: float
    searches: int
    phases: tuple[PhasePlan, ...]
    total: PhasePlan
    tail_hours: Spread
    tail_idle: float
    driver_hours: float
    by_workers: tuple[WorkersPlan, ...]
    assumptions: tuple[str, ...]
