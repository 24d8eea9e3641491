"""The plan of a search: hours by phase, over several simulated searches, and what other numbers of workers would do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean

from nas_search.search.planning.assumptions import assumptions
from nas_search.search.planning.plan_input import PlanInput
from nas_search.search.planning.plan_result import PhasePlan, Plan, Spread, WorkersPlan
from nas_search.search.planning.rates import DriverRates, driver_rates
from nas_search.search.planning.repeated import Repeated
from nas_search.search.planning.schedule import PhaseTime, Planned, Schedule
from nas_search.search.samplers.factory import MakeSampler, sampler_maker
from nas_search.search.samplers.options import SamplerOptions

PATIENCE_SECONDS = 120.0
"""A sampler that would think longer than this in one simulated search is stood in for."""
STAND_IN = "evolution"
MOST_WORKERS = 65_536
PHASES = ("table", "search", "confirmation")
Progress = Callable[[int, int], None]
"""Simulated searches that are done, of how many."""


def make_plan(given: PlanInput, searches: int, progress: Progress = lambda done, total: None) -> Plan:
    """Simulate ``searches`` searches with seeds 0, 1, ...; then the same candidates with other numbers of workers."""
    driver, workers = driver_rates(), given.config.worker_count
    sampler = _who_proposes(given, driver)
    schedules = []
    for seed in range(searches):
        progress(seed, searches)
        schedules.append(_simulate(given, driver, _maker(given, sampler), seed=seed, workers=workers))
    others = sorted({max(workers // 4, 1), max(workers // 2, 1), 2 * workers, 4 * workers} - {workers})
    by_workers = {workers: schedules} | {
        other: [
            _simulate(given, driver, Repeated.maker(one.genomes), seed=seed, workers=other)
            for seed, one in enumerate(schedules)
        ]
        for other in others
        if other <= MOST_WORKERS
    }
    progress(searches, searches)
    return _plan(given, sampler, schedules, by_workers)


def _who_proposes(given: PlanInput, driver: DriverRates) -> str:
    config = given.config
    thinking = config.trials * driver.proposal_seconds(config.sampler, config.trials)
    return config.sampler if thinking <= PATIENCE_SECONDS else STAND_IN


def _maker(given: PlanInput, sampler: str) -> MakeSampler:
    """Of that sampler, with the search's options if it is the search's own."""
    own = sampler == given.config.sampler
    return sampler_maker(sampler, given.config.sampler_options if own else SamplerOptions.model_validate({}))


def _simulate(given: PlanInput, driver: DriverRates, make_sampler: MakeSampler, *, seed: int, workers: int) -> Schedule:
    config = given.config.model_copy(update={"seed": seed, "workers": workers})
    model = given.model.with_seed(seed)
    return Planned(config, given.space, given.twins, given.ladder, model, driver, make_sampler).schedule()


def _plan(
    given: PlanInput, sampler: str, schedules: Sequence[Schedule], by_workers: Mapping[int, Sequence[Schedule]]
) -> Plan:
    config, model = given.config, given.model
    workers = config.worker_count
    idle = [one.tail_idle / (workers * one.tail) for one in schedules if one.tail]
    return Plan(
        trials=config.trials,
        workers=workers,
        sampler=config.sampler,
        deterministic=config.deterministic,
        space=given.space.name,
        tokens=given.ladder.tokens,
        on_rungs=tuple(map(fmean, zip(*(one.on_rungs for one in schedules), strict=True))),
        rates=given.rates.source,
        rates_measured=given.tokens_per_second is None,
        tokens_per_second=model.mean_tokens_per_second,
        searches=len(schedules),
        phases=tuple(_phase(name, [one.phases[name] for one in schedules], workers) for name in PHASES),
        total=_phase("total", [one.total for one in schedules], workers),
        tail_hours=Spread.of([one.tail / 3600 for one in schedules]),
        tail_idle=fmean(idle) if idle else 0.0,
        driver_hours=fmean(one.driver_seconds / 3600 for one in schedules),
        by_workers=tuple(_with_workers(count, found) for count, found in sorted(by_workers.items())),
        assumptions=assumptions(given, sampler, model),
    )


def _phase(name: str, times: Sequence[PhaseTime], workers: int) -> PhasePlan:
    hours = [time.seconds / 3600 for time in times]
    return PhasePlan(
        name=name,
        hours=Spread.of(hours),
        worker_hours=Spread.of([workers * each for each in hours]),
        busy_hours=Spread.of([time.busy_seconds / 3600 for time in times]),
    )


def _with_workers(workers: int, schedules: Sequence[Schedule]) -> WorkersPlan:
    seconds = fmean(one.total.seconds for one in schedules)
    busy = fmean(one.total.busy_seconds for one in schedules)
    return WorkersPlan(
        workers=workers,
        hours=seconds / 3600,
        worker_hours=workers * seconds / 3600,
        utilisation=busy / (workers * seconds),
    )
