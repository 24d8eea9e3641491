"""One sitting of a table for one workload: everything that must be comparable is timed in the same rounds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import psutil

from nas_search.errors import InputError
from nas_search.profiler.cells import Cell, PhaseSetting
from nas_search.profiler.cost_model import CostModel
from nas_search.profiler.device import Device
from nas_search.profiler.phases import Phase, weighted_phases
from nas_search.profiler.robust import Matrix, Vector
from nas_search.profiler.stacks import StackPlan
from nas_search.profiler.statistics import ClockName
from nas_search.profiler.timing import Progress, Samples, StopRule, Task, time_interleaved
from nas_search.profiler.workload import Workload
from nas_search.space.architecture import Architecture

if TYPE_CHECKING:
    from nas_search.profiler.networks import TimedNetwork

# Beyond this share of the free memory the machine starts to swap, and timing would time the disk.
MEMORY_SHARE = 0.7
BOOTSTRAPS = 30
NORMAL_95 = 1.96


class Session(NamedTuple):
    """Samples of one workload; the tasks are every stack in the first phase, in the second ..., then whole networks."""

    plan: StackPlan
    workload: Workload
    phases: tuple[Phase, ...]
    samples: Samples

    def cells(self, clock: ClockName, *, seed: int) -> list[Cell]:
        """The terms of every phase. Intervals are bootstrapped over rounds, with ``seed``."""
        steady = self.samples.steady_ms(clock)
        stacks = len(self.plan.networks)
        cells = []
        for i, phase in enumerate(self.phases):
            model = CostModel(self.plan, PhaseSetting(phase, self.workload.batch, self.workload.dtype))
            rows = slice(i * stacks, (i + 1) * stacks)
            seen = (steady[rows], self.samples.wall_ms[rows], self.samples.cpu_ms[rows])
            cells += _solve(model, *seen, np.random.default_rng(seed))
        return cells

    def whole_ms(self, clock: ClockName) -> Vector:
        """The median latency of each whole network, in milliseconds."""
        first = len(self.phases) * len(self.plan.networks)
        return np.asarray(np.median(self.samples.steady_ms(clock)[first:], axis=1))


def _solve(model: CostModel, steady: Matrix, wall_ms: Matrix, cpu_ms: Matrix, rng: np.random.Generator) -> list[Cell]:
    """The cells of one phase from its stacks' samples [stacks, rounds]."""
    value, wall, cpu = (model.solve(np.median(samples, axis=1)) for samples in (steady, wall_ms, cpu_ms))
    reaches = NORMAL_95 * _spread(model, steady, rng)
    return [
        Cell(key, ms, ms - float(reach), ms + float(reach), wall[key], cpu[key], steady.shape[1])
        for (key, ms), reach in zip(value.items(), reaches, strict=True)
    ]


def _spread(model: CostModel, steady: Matrix, rng: np.random.Generator) -> Vector:
    """Standard deviations of the terms, refitted to medians over rounds drawn with replacement (Efron 1979)."""
    rounds = steady.shape[1]
    draws = (steady[:, rng.integers(rounds, size=rounds)] for _ in range(BOOTSTRAPS))
    refits = [list(model.solve(np.median(draw, axis=1)).values()) for draw in draws]
    return np.asarray(np.std(refits, axis=0))


def run_sessions(
    plan: StackPlan,
    whole: Sequence[Architecture],
    workloads: Sequence[Workload],
    *,
    device: Device,
    meta_tokens: int,
    seed: int,
    stop: StopRule,
    progress: Progress | None = None,
) -> tuple[list[Session], tuple[str, ...]]:
    """A session for each workload, and the kernels that ran. ``progress`` counts rounds of all sessions.

    Raises InputError if the networks do not fit into the memory that is free.
    """
    from nas_search.profiler.networks import TimedNetwork, kernels_in_use, timing_session

    networks = [*plan.networks, *whole]
    check_memory(networks)
    with timing_session():
        built = [TimedNetwork(network, seed + i) for i, network in enumerate(networks)]
        stacks, others = built[: -len(whole)], built[-len(whole) :]
        sessions = []
        for i, workload in enumerate(workloads):
            phases = tuple(phase for phase, _ in weighted_phases(workload, meta_tokens))
            tasks = _tasks(stacks, others, workload, phases)
            samples = time_interleaved(tasks, stop, seed=seed, progress=_shifted(progress, i, len(workloads)))
            sessions.append(Session(plan, workload, phases, samples))
    dtypes = dict.fromkeys(workload.dtype for workload in workloads)
    kernels = (kernel for dtype in dtypes for kernel in kernels_in_use(plan.operators, device, dtype))
    return sessions, tuple(dict.fromkeys(kernels))


def check_memory(networks: Sequence[Architecture]) -> None:
    """Raise InputError unless the weights of all ``networks`` fit into the free memory at once."""
    needed = sum(network.weight_bytes() for network in networks)
    free = psutil.virtual_memory().available
    if needed > MEMORY_SHARE * free:
        raise InputError(
            f"timing these widths and operators needs {needed / 2**30:.1f} GiB of weights at once and "
            f"{free / 2**30:.1f} GiB are free: take smaller widths or fewer operators"
        )


def _tasks(
    stacks: Sequence[TimedNetwork], whole: Sequence[TimedNetwork], workload: Workload, phases: Sequence[Phase]
) -> list[Task]:
    stack_tasks = [stack.phase_task(phase, workload.batch) for phase in phases for stack in stacks]
    return stack_tasks + [network.workload_task(workload) for network in whole]


def _shifted(progress: Progress | None, index: int, sessions: int) -> Progress | None:
    """Progress of session ``index`` as part of all sessions."""
    if progress is None:
        return None
    return lambda done, total: progress(index * total + done, sessions * total)
