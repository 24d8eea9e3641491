"""A recording whose samples follow from a formula, so that it takes no time and is always the same."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch

from nas_search.profiler.backend import Verdict
from nas_search.profiler.cpu_backend import CpuBackend
from nas_search.profiler.device import Device
from nas_search.profiler.plan import TablePlan
from nas_search.profiler.sitting import SittingRequest, SittingResult
from nas_search.profiler.timing import Progress, Samples, StopRule
from nas_search.profiler.workload import Workload
from nas_search.space.architecture import Architecture
from nas_search.space.notation import parse_operators

CPU = Device(name="cpu", fingerprint={"kind": "cpu", "cpu": "Imaginary 1"}, place="cpu")
GPU = Device(name="h100", fingerprint={"kind": "cuda", "gpu": "Imaginary 100", "cache_mib": "1"}, place="cuda:0")
GIB = 2**30
ROUNDS = 5
STOP = StopRule(max_rounds=ROUNDS)
OPERATORS = parse_operators("a m2 f")
LAYER_MS = {"a": 0.3, "m2": 0.7, "f": 0.5}


class FakeBackend(CpuBackend):
    """A device of which only the free memory is asked."""

    def __init__(self, device: Device = CPU, free: int = 64 * GIB) -> None:
        super().__init__(device)
        self.free = free

    @property
    def torch_device(self) -> torch.device:
        return torch.device("cpu")

    def free_bytes(self) -> int:
        return self.free


def cost(network: Architecture, kind: str, context: int, batch: int) -> float:
    """Milliseconds, or millijoules: linear in layers and in what attention reads, and steeper for wide networks."""
    slots = context + (kind != "prefill")
    layers = sum(LAYER_MS[operator.code] for operator in network.operators)
    reads = 1e-4 * batch * sum(operator.code == "a" for operator in network.operators) * slots
    weight = {"prefill": context / 10, "step": 1.0, "energy": 300.0}[kind]
    return weight * network.width / 64 * (0.2 + layers + reads + 0.001 * batch * network.depth)


@dataclass
class Stopwatch:
    """Measures sittings by formula with a noise that follows from the request; ``fail`` gives reasons, or raises."""

    captured: bool = False
    busy: bool = False
    noise: float = 0.0005
    fail: Callable[[Architecture], str | None] = lambda network: None
    requests: list[SittingRequest] = field(default_factory=list)

    def __call__(self, request: SittingRequest, *, progress: Progress | None = None) -> SittingResult:
        reasons = {i: self.fail(Architecture.parse(task.network)) for i, task in enumerate(request.tasks)}
        self.requests.append(request)
        ran = tuple(index for index, reason in reasons.items() if reason is None)
        if progress is not None:
            progress(1, request.stop.max_rounds)
        return SittingResult(
            samples=self._samples(request, ran),
            ran=ran,
            failures={index: reason for index, reason in reasons.items() if reason is not None},
            verdict=Verdict("device" if self.busy or self.captured else "wall", self.busy),
            kernels=("formula",),
            seconds=1.5,
        )

    def _samples(self, request: SittingRequest, ran: tuple[int, ...]) -> Samples:
        rng = np.random.default_rng(int(hashlib.sha256(request.key.encode()).hexdigest()[:8], 16))
        costs = [
            cost(Architecture.parse(network), request.kind, contexts[0], request.batch)
            for network, _, contexts in (request.tasks[index] for index in ran)
        ]
        device = np.array(costs)[:, None] * rng.normal(1, self.noise, (len(ran), ROUNDS))
        order = np.array([rng.permutation(len(ran)) for _ in range(ROUNDS)])
        return Samples(wall=device * (1.5 if self.busy else 1.0), device=device, order=order)


def make_plan(*workloads: str, held_out: int = 12, seed: int = 0, meta_tokens: int = 0) -> TablePlan:
    """Three operators at two widths."""
    rng = np.random.default_rng(7)
    sample = [
        Architecture(
            width=64 * (1 + index % 2),
            operators=tuple(OPERATORS[i] for i in rng.integers(3, size=2 + index % 9)),
            meta_tokens=meta_tokens,
        )
        for index in range(8 + 2 * held_out)
    ]
    different = list(dict.fromkeys(sample))
    return TablePlan(
        space="three",
        operators=OPERATORS,
        widths=(64, 128),
        vocabulary=256,
        meta_tokens=meta_tokens,
        workloads=tuple(map(Workload.parse, workloads)),
        calibration=tuple(different[:8]),
        held_out=tuple(different[8 : 8 + held_out]),
        seed=seed,
        stop=STOP,
        energy_stop=STOP,
    )
