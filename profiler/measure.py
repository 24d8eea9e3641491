"""Measuring whole networks end to end, in this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nas_search.errors import InputError
from nas_search.profiler.backend import Backend, backend_of
from nas_search.profiler.device import Device
from nas_search.profiler.failures import failure_of
from nas_search.profiler.measurement import Failure, Measurement, Origin, Outcome, scaled
from nas_search.profiler.phases import Phase, weighted_phases
from nas_search.profiler.roofline import largest_batch, memory_bytes
from nas_search.profiler.statistics import ClockName, median_interval
from nas_search.profiler.timing import Progress, StopRule, Task, measure_interleaved, step_of
from nas_search.profiler.turns import At, announced
from nas_search.profiler.workload import Workload
from nas_search.space.architecture import Architecture

if TYPE_CHECKING:
    from nas_search.profiler.networks import TimedNetwork

# A batch that was predicted to fit and does not is made so much smaller.
BATCH_STEP = 0.97
# What libraries load and keep when they are first used is not the network's memory.
WARM_UP_TOKENS = 16
MIB = 2**20
Vector = NDArray[np.float64]
Rounds = Callable[[int, Vector], object]


class Part(NamedTuple):
    """Something that a workload does ``weight`` times."""

    task: Task
    weight: float


@dataclass(frozen=True, slots=True)
class Job:
    """A network's index among those that were asked for, its sequences in a batch, and what it has to do."""

    index: int
    batch: int
    parts: list[Part]


def measure(
    architectures: Sequence[Architecture],
    workload: Workload,
    *,
    device: Device,
    seed: int,
    backend: Backend | None = None,
    clock: ClockName | None = None,
    stop: StopRule | None = None,
    progress: Progress | None = None,
    at: At = lambda index: None,
    rounds: Rounds = lambda index, figures: None,
) -> list[Outcome]:
    """Measure untrained networks of these architectures; an outcome for each, in order.

    Latencies and energy are measured in turns; what fills the device's memory, one network after the other. ``clock``
    names the one that counts, as a table's when figures are compared with it; without it, and on a busy device, the
    device's conditions decide. ``at`` is called with the index of a network before it is built and before each of its
    samples, ``rounds`` with the index and the time or energy [rounds] of each network that was measured in turns. What
    does not fit into memory together is measured in pieces. Raises InputError if not one network fits.
    """
    from nas_search.profiler.networks import timing_session

    backend = backend or backend_of(device)
    measuring = _Measuring(backend, workload, seed, clock, stop or StopRule(), at, rounds)
    with timing_session():
        if workload.kind == "memory":
            return _each(architectures, measuring.memory, progress)
        if workload.kind == "throughput":
            return _each(architectures, measuring.throughput, progress)
        return measuring.in_turns(architectures, progress)


def _each(
    architectures: Sequence[Architecture], one: Callable[[int, Architecture], Outcome], progress: Progress | None
) -> list[Outcome]:
    outcomes = []
    for index, architecture in enumerate(architectures):
        outcomes.append(one(index, architecture))
        if progress is not None:
            progress(index + 1, len(architectures))
    return outcomes


class _Measuring(NamedTuple):
    """One workload on one device."""

    backend: Backend
    workload: Workload
    seed: int
    clock: ClockName | None
    stop: StopRule
    at: At
    rounds: Rounds

    def in_turns(self, architectures: Sequence[Architecture], progress: Progress | None) -> list[Outcome]:
        """As many networks as fit in memory at once, measured in the same rounds; then the next ones."""
        outcomes: dict[int, Outcome] = {}
        pieces = self._fitting(architectures)
        for number, indices in enumerate(pieces):
            piece = {index: architectures[index] for index in indices}
            report = progress if len(pieces) == 1 else step_of(progress, number, len(pieces))
            outcomes |= self._piece(piece, report)
        free = self.backend.free_bytes()
        return [
            outcomes.get(index) or self._too_large(architecture, self.workload.batch, free)
            for index, architecture in enumerate(architectures)
        ]

    def _piece(self, architectures: Mapping[int, Architecture], progress: Progress | None) -> dict[int, Outcome]:
        """Networks that fit together; on return none of them is in memory any more."""
        jobs = {index: self._job(index, architecture) for index, architecture in architectures.items()}
        built = [job for job in jobs.values() if isinstance(job, Job)]
        measured = self._run(built, list(architectures.values()), progress) if built else []
        failed = {index: job for index, job in jobs.items() if isinstance(job, Failure)}
        return failed | {job.index: outcome for job, outcome in zip(built, measured, strict=True)}

    def throughput(self, index: int, architecture: Architecture) -> Outcome:
        """With the largest batch that can be allocated."""
        context, free = self.workload.prompt, self.backend.free_bytes()
        failure: Outcome = self._too_large(architecture, 1, free)
        batch = min(self.workload.batch, largest_batch(architecture, context, self.workload.precision, free))
        if batch:
            # Libraries take their own memory when they are first used, which is not when all of it is full.
            warm = self._job(index, architecture, 1)
            batch = 0 if isinstance(warm, Failure) else batch
            del warm
        while batch:
            self.backend.free_bytes()  # gives back what an attempt before left in reserve
            job = self._job(index, architecture, batch)
            if isinstance(job, Job):
                return self._run([job], [architecture], None)[0]
            failure, batch = job, int(batch * BATCH_STEP)
        return failure

    def memory(self, index: int, architecture: Architecture) -> Outcome:
        """What building the network, reading a prompt and one step have in use at most."""

        def everything(prompt: int) -> None:
            network = self._network(index, architecture)
            context = prompt + architecture.meta_tokens
            network.prefill_task(context, batch).run()
            network.step_task(context, batch).run()

        free, batch = self.backend.free_bytes(), self.workload.batch
        if largest_batch(architecture, self.workload.prompt, self.workload.precision, free) < batch:
            return self._too_large(architecture, batch, free)
        self.at(index)
        try:
            everything(min(WARM_UP_TOKENS, self.workload.prompt))
            peak = self.backend.peak_bytes(partial(everything, self.workload.prompt)) / MIB
        except Exception as error:
            return failure_of(error)
        return Measurement(
            **dict(self._origin([architecture])),
            value=peak, low=peak, high=peak, wall=peak, device=peak, n=1,
            clock="device", busy=False, batch=self.workload.batch,
        )  # fmt: skip

    def _too_large(self, architecture: Architecture, batch: int, free: int) -> Failure:
        context = self.workload.prompt + (self.workload.new_tokens if self.workload.is_latency else 0)
        needed = memory_bytes(architecture, context, batch, self.workload.precision)
        what = "not one sequence" if batch == 1 else f"not {batch} sequences"
        memory = f"{needed / MIB:,.0f} MiB needed, {free / MIB:,.0f} MiB free"
        return Failure(reason=f"{what} of {context} tokens can be held: {memory}")

    def _network(self, index: int, architecture: Architecture) -> TimedNetwork:
        from nas_search.profiler.networks import TimedNetwork

        return TimedNetwork(architecture, self.seed + index, self.backend, self.workload.precision)

    def _job(self, index: int, architecture: Architecture, batch: int | None = None) -> Job | Failure:
        """The network, built and warmed up; a failure if it does not fit."""
        self.at(index)
        batch = batch or self.workload.batch
        try:
            network = self._network(index, architecture)
            parts = [
                Part(announced(network.phase_task(phase, batch), index, self.at), weight)
                for phase, weight in self._phases(architecture)
            ]
            meter = self.backend.meter()
            meter.start()
            for part in parts:
                part.task.run()
            meter.stop()  # waits, so that what fails on the device does so while it is this network's turn
        except Exception as error:
            return failure_of(error)
        return Job(index, batch, parts)

    def _phases(self, architecture: Architecture) -> Sequence[tuple[Phase, float]]:
        captured = self.backend.device.captures_steps
        return weighted_phases(self.workload, architecture.meta_tokens, captured=captured)

    def _run(
        self, jobs: Sequence[Job], architectures: Sequence[Architecture], progress: Progress | None
    ) -> list[Outcome]:
        energy = self.workload.kind == "energy"
        meter = self.backend.energy_meter() if energy else self.backend.meter()
        tasks = [part.task for job in jobs for part in job.parts]
        before = self.backend.conditions()
        samples = measure_interleaved(
            tasks, self.stop, seed=self.seed, meter=meter, between_rounds=self.backend.check, progress=progress
        )
        verdict = self.backend.verdict(samples)
        # Beside other work wall time is not the network's, whatever it is compared with.
        clock = verdict.clock if verdict.busy else self.clock or verdict.clock
        origin = self._origin(architectures).model_copy(update={"before": before, "after": self.backend.conditions()})
        steady, rows = samples.steady(clock), _rows(jobs)
        for job, total in zip(jobs, rows, strict=True):
            self.rounds(job.index, total(steady))
        return [
            self._measurement(
                origin, job, clock, verdict.busy, (total(steady), total(samples.wall), total(samples.device))
            )
            for job, total in zip(jobs, rows, strict=True)
        ]

    def _measurement(
        self, origin: Origin, job: Job, clock: ClockName, busy: bool, samples: tuple[Vector, Vector, Vector]
    ) -> Measurement:
        median, wall, device = (scaled(median_interval(part), self.workload, job.batch) for part in samples)
        return Measurement(
            **dict(origin),
            value=median.value, low=median.low, high=median.high, wall=wall.value, device=device.value,
            n=len(samples[0]), clock=clock, busy=busy, batch=job.batch,
        )  # fmt: skip

    def _origin(self, architectures: Sequence[Architecture]) -> Origin:
        from nas_search.profiler.networks import kernels_in_use

        operators = [operator for architecture in architectures for operator in architecture.operators]
        return Origin(
            device_id=self.backend.device.id,
            workload=str(self.workload),
            unit=self.workload.unit,
            precision=self.workload.precision,
            kernels=kernels_in_use(operators, self.backend.device, self.workload.dtype),
        )

    def _fitting(self, architectures: Sequence[Architecture]) -> list[list[int]]:
        """Indices of networks that fit together, in order; one that does not fit alone is left out.

        Raises InputError if none fits.
        """
        free, pieces, room = self.backend.free_bytes(), list[list[int]](), 0
        for index, architecture in enumerate(architectures):
            needed = self._needed(architecture)
            if needed > free:
                continue
            if not pieces or needed > room:
                pieces.append([])
                room = free
            pieces[-1].append(index)
            room -= needed
        if architectures and not pieces:
            raise InputError(
                f"workload '{self.workload}': {self._too_large(architectures[0], self.workload.batch, free).reason}"
            )
        return pieces

    def _needed(self, architecture: Architecture) -> int:
        context = self.workload.prompt + self.workload.new_tokens
        return memory_bytes(architecture, context, self.workload.batch, self.workload.precision)


def _rows(jobs: Sequence[Job]) -> list[Callable[[Vector], Vector]]:
    """For each job, what adds up its parts in samples [tasks, rounds]."""
    first = 0
    totals: list[Callable[[Vector], Vector]] = []
    for job in jobs:
        weights = np.array([part.weight for part in job.parts])
        rows = slice(first, first + len(weights))
        totals.append(partial(_weighted_sum, weights, rows))
        first += len(weights)
    return totals


def _weighted_sum(weights: Vector, rows: slice, samples: Vector) -> Vector:
    return np.asarray(weights @ samples[rows])
