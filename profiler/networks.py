"""Real networks as measured tasks: the only place of the profiler that builds and runs modules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor

from nas_search.profiler.backend import Backend
from nas_search.profiler.cpu_facts import TIMING_THREADS
from nas_search.profiler.device import Device
from nas_search.profiler.phases import Phase
from nas_search.profiler.precision import Precision
from nas_search.profiler.timing import Task
from nas_search.space.architecture import Architecture
from nas_search.space.kernels.fused.choice import FUSED, STEP_CHOICES
from nas_search.space.kernels.report import inference_kernels
from nas_search.space.model import HybridLM, ModelState
from nas_search.space.operators.base import OperatorSpec
from nas_search.space.operators.module import Cursor

# A step that stays at its position can be repeated as often as one likes.
ENDLESS = 1 << 30


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
    kernels = inference_kernels(operators, device.kind, dtype)
    if device.kind != "cpu":
        fused = STEP_CHOICES.runs_fused({operator.notation for operator in operators}, dtype)
        return (*kernels, FUSED) if fused else kernels
    libraries = {"mkl": torch.backends.mkl, "onednn": torch.backends.mkldnn}
    there = (name for name, library in libraries.items() if library.is_available())
    return (*kernels, *there, torch.backends.cpu.get_cpu_capability())


@contextmanager
def _default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """Build in this format: converted later, a network would for a moment take the memory of a float32 one."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


class TimedNetwork:
    """An untrained network with random weights on a device, whose phases can be measured."""

    def __init__(self, architecture: Architecture, seed: int, backend: Backend, precision: Precision) -> None:
        self.architecture = architecture
        self._backend, self._place = backend, backend.torch_device
        self._state_dtype: torch.dtype = getattr(torch, precision.state)
        with self._place, _default_dtype(getattr(torch, precision.parameters)):
            self.model = HybridLM(architecture, seed=seed).eval()
        self._generator = torch.Generator(self._place).manual_seed(seed)

    def phase_task(self, phase: Phase, batch: int) -> Task:
        """A task for a prefill or a step; ``phase.context`` counts the meta tokens."""
        return (
            self.prefill_task(phase.context, batch) if phase.kind == "prefill" else self.step_task(phase.context, batch)
        )

    def prefill_task(self, context: int, batch: int) -> Task:
        """From a prompt to its first new token."""
        tokens = self._tokens(batch, context - self.architecture.meta_tokens)
        state = self._state(batch, tokens.shape[1])

        def run() -> Tensor:
            state.length = 0
            return self.model.prefill(tokens, state).argmax(-1)

        return Task(run)

    def step_task(self, context: int, batch: int) -> Task:
        """From one token, behind ``context`` others, to the next one: always the same position."""
        slots = context + 1
        state = self._state(batch, slots - self.architecture.meta_tokens)
        state.fill_random(context, self._generator)
        # A graph masks its cache, since it serves many positions; here all slots are valid, which costs the same.
        masked = self._backend.device.captures_steps and self._has_cache
        numbers = torch.arange(slots, device=self._place) if masked else None
        step = partial(self._step, self._tokens(batch, 1)[:, 0], state, slots, numbers)
        return Task(self._backend.capture(step), max_runs=ENDLESS)

    def _step(self, tokens: Tensor, state: ModelState, slots: int, numbers: Tensor | None) -> Tensor:
        """In place on the state, but for its position; the token that is chosen is the next one to read."""
        mask = None if numbers is None else numbers <= state.index
        logits = self.model.step_at(tokens, state.layers, Cursor(state.index, slots, mask))
        return tokens.copy_(logits.argmax(-1))

    @property
    def _has_cache(self) -> bool:
        width = self.architecture.width
        return any(one.state_elements(width, 0) < one.state_elements(width, 1) for one in self.architecture.operators)

    def _state(self, batch: int, tokens: int) -> ModelState:
        return self.model.new_state(batch, tokens, self._state_dtype)

    def _tokens(self, batch: int, length: int) -> Tensor:
        size, place = (batch, length), self._place
        return torch.randint(self.architecture.vocabulary, size, generator=self._generator, device=place)
