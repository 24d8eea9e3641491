"""Real networks as timed tasks: the only place of the profiler that builds and runs modules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch

from nas_search.profiler.device import TIMING_THREADS, Device
from nas_search.profiler.phases import Phase
from nas_search.profiler.timing import MAX_RUNS_PER_SAMPLE, Task
from nas_search.profiler.workload import Workload
from nas_search.space.architecture import Architecture
from nas_search.space.kernels.fused.choice import FUSED, STEP_CHOICES
from nas_search.space.kernels.report import inference_kernels
from nas_search.space.model import HybridLM
from nas_search.space.operators.base import OperatorSpec

# Room behind a step's context: a sample runs a step so often before the position is set back.
SPARE_POSITIONS = MAX_RUNS_PER_SAMPLE


@contextmanager
def timing_session() -> Iterator[None]:
    """Inference on TIMING_THREADS threads; the process gets its own number back."""
    threads = torch.get_num_threads()
    torch.set_num_threads(TIMING_THREADS)
    try:
        with torch.inference_mode():
            yield
    finally:
        torch.set_num_threads(threads)


def kernels_in_use(operators: Iterable[OperatorSpec], device: Device, dtype: str) -> tuple[str, ...]:
    """What has computed: the kernels that these operators run, fused steps if some layers were found to be faster so.

    On a CPU PyTorch's libraries and vector instructions too.
    """
    operators = tuple(operators)
    kernels = inference_kernels(operators, device.name, dtype)
    if device.name != "cpu":
        fused = STEP_CHOICES.runs_fused({operator.notation for operator in operators}, dtype)
        return (*kernels, FUSED) if fused else kernels
    libraries = {"mkl": torch.backends.mkl, "onednn": torch.backends.mkldnn}
    there = (name for name, library in libraries.items() if library.is_available())
    return (*kernels, *there, torch.backends.cpu.get_cpu_capability())


class TimedNetwork:
    """An untrained network with random weights whose phases can be timed."""

    def __init__(self, architecture: Architecture, seed: int) -> None:
        self.architecture = architecture
        self.model = HybridLM(architecture, seed=seed).eval()
        self.generator = torch.Generator().manual_seed(seed)

    def phase_task(self, phase: Phase, batch: int) -> Task:
        """A task for a prefill or a step; ``phase.context`` counts the meta tokens."""
        tokens = self._tokens(batch, phase.context - self.architecture.meta_tokens)
        if phase.kind == "prefill":
            return self._prefill_task(tokens)
        return self._step_task(tokens)

    def workload_task(self, workload: Workload) -> Task:
        """A task for the whole workload, as a user would run it."""
        tokens = self._tokens(workload.batch, workload.prompt)
        if workload.kind == "decode":
            return self._step_task(tokens)
        if workload.kind == "prefill":
            return self._prefill_task(tokens)
        return Task(lambda: self.model.generate(tokens, workload.new_tokens))

    def _tokens(self, batch: int, length: int) -> torch.Tensor:
        return torch.randint(self.architecture.vocabulary, (batch, length), generator=self.generator)

    def _prefill_task(self, tokens: torch.Tensor) -> Task:
        state = self.model.new_state(*tokens.shape)

        def run() -> None:
            state.length = 0
            self.model.prefill(tokens, state)

        return Task(run)

    def _step_task(self, tokens: torch.Tensor) -> Task:
        """The state really holds the tokens; every sample starts at the position behind them."""
        batch, context = tokens.shape
        state = self.model.new_state(batch, context + SPARE_POSITIONS)
        self.model.prefill(tokens, state)
        start, token = state.length, tokens[:, -1]

        def reset() -> None:
            state.length = start
            state.index.fill_(start)

        return Task(lambda: self.model.step(token, state), reset)
