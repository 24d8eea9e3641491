"""One sitting of a recording: everything that must be comparable is measured in the same rounds."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict

from nas_search.errors import InputError, first_line
from nas_search.profiler.backend import Backend, Verdict, backend_of
from nas_search.profiler.device import resolve_device
from nas_search.profiler.failures import out_of_memory
from nas_search.profiler.phases import Phase, PhaseKind
from nas_search.profiler.precision import Precision
from nas_search.profiler.timing import Meter, Progress, Samples, StopRule, Task, measure_interleaved
from nas_search.profiler.turns import At, announced
from nas_search.space.architecture import Architecture

if TYPE_CHECKING:
    from nas_search.profiler.networks import TimedNetwork

# What the driver says when nothing can be computed any more in this process.
BROKEN = "CUDA error"


class SittingTask(NamedTuple):
    """A network, by its notation, in one phase: measured at the first of ``contexts``, and as good for the others.

    ``copy`` tells networks of one notation apart, each of which has its own weights.
    """

    network: str
    copy: int
    contexts: tuple[int, ...]


class SittingRequest(BaseModel):
    """What to measure in turns; as JSON it can be sent to another process. ``place`` is the device's name there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    place: str
    device_id: str
    kind: PhaseKind
    batch: int
    precision: Precision
    tasks: tuple[SittingTask, ...]
    seed: int
    stop: StopRule

    @property
    def key(self) -> str:
        """SHA-256 of what is asked for, whatever the device is called."""
        return hashlib.sha256(self.model_dump_json(exclude={"place"}).encode()).hexdigest()


class SittingResult(NamedTuple):
    """Samples of the tasks that ``ran``, indices into those asked for; ``failures`` says why the others did not."""

    samples: Samples
    ran: tuple[int, ...]
    failures: dict[int, str]
    verdict: Verdict
    kernels: tuple[str, ...]
    seconds: float


class MeasureSitting(Protocol):
    """Something that does what :func:`measure_sitting` does, here or elsewhere."""

    def __call__(self, request: SittingRequest, *, progress: Progress | None = None) -> SittingResult:
        """Measure everything that was asked for."""
        ...


def measure_sitting(
    request: SittingRequest,
    *,
    backend: Backend | None = None,
    progress: Progress | None = None,
    at: At = lambda index: None,
) -> SittingResult:
    """Measure in this process. ``at`` is called with the index of a task before anything is built for it and
    before each of its samples.

    A task that cannot run is left out, with its reason. Raises InputError if the device is not there or cannot measure
    this, RunError if it does not run at its clocks, and whatever says that it is broken.
    """
    from nas_search.profiler.networks import kernels_in_use, timing_session

    backend = backend or backend_of(resolve_device(request.place))
    if backend.device.id != request.device_id:
        raise InputError(f"device '{request.place}' is {backend.device.id}; {request.device_id} was to be measured")
    started = time.monotonic()
    meter = backend.energy_meter() if request.kind == "energy" else backend.meter()
    with timing_session():
        tasks, failures = _build_all(request, backend, at)
        samples = _in_turns(list(tasks.values()), request, backend, meter, progress)
    verdict = backend.verdict(samples)
    operators = dict.fromkeys(op for task in request.tasks for op in Architecture.parse(task.network).operators)
    kernels = kernels_in_use(operators, backend.device, request.precision.parameters)
    return SittingResult(samples, tuple(tasks), failures, verdict, kernels, time.monotonic() - started)


def _in_turns(
    tasks: Sequence[Task], request: SittingRequest, backend: Backend, meter: Meter, progress: Progress | None
) -> Samples:
    if not tasks:
        nothing = np.empty((0, 0))
        return Samples(nothing, nothing, np.empty((0, 0), dtype=np.int64))
    return measure_interleaved(
        tasks, request.stop, seed=request.seed, meter=meter, between_rounds=backend.check, progress=progress
    )


def _build_all(request: SittingRequest, backend: Backend, at: At) -> tuple[dict[int, Task], dict[int, str]]:
    """The tasks that ran once, and why others did not, by index."""
    builder, meter = _Builder(request, backend), backend.meter()
    tasks: dict[int, Task] = {}
    failures: dict[int, str] = {}
    for index in range(len(request.tasks)):
        at(index)
        try:
            task = builder.task(index)
            task.reset()
            meter.start()
            task.run()
            meter.stop()
        except Exception as error:
            failures[index] = _reason(error)
        else:
            tasks[index] = announced(task, index, at)
    return tasks, failures


class _Builder:
    """Builds tasks; neighbours of one network share its weights."""

    def __init__(self, request: SittingRequest, backend: Backend) -> None:
        self._request, self._backend = request, backend
        self._name: tuple[str, int] | None = None
        self._network: TimedNetwork | None = None

    def task(self, index: int) -> Task:
        request, task = self._request, self._request.tasks[index]
        network = self._timed(index, task)
        return network.phase_task(Phase(request.kind, task.contexts[0]), request.batch)

    def _timed(self, index: int, task: SittingTask) -> TimedNetwork:
        from nas_search.profiler.networks import TimedNetwork

        name = (task.network, task.copy)
        if self._network is None or name != self._name:
            self._name = self._network = None
            architecture = Architecture.parse(task.network)
            self._network = TimedNetwork(
                architecture, self._request.seed + index, self._backend, self._request.precision
            )
            self._name = name
        return self._network


def _reason(error: Exception) -> str:
    """Why a task cannot run, in one line. Raises an error that leaves the device broken for all others too."""
    if BROKEN in str(error) and not out_of_memory(error):
        raise error
    return first_line(error)
