"""Decoding under CUDA graphs: a step is captured once for each range of contexts, then replayed.

A graph reads as many cache slots at every replay as it did when it was captured. One graph for all positions would
read the whole cache for the first token already, so contexts are cut at powers of two: a step reads at most twice
what it needs, and a mask computed in the graph says which slots are valid.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count, takewhile

import torch
from torch import Tensor

from nas_search.errors import InputError
from nas_search.space.architecture import Architecture
from nas_search.space.model import HybridLM, ModelState
from nas_search.space.operators.module import Cursor, State

SHORTEST_BOUND = 256
# As in PyTorch's own examples: what is compiled, tuned, allocated or cached at a first call must not be captured.
WARM_UPS = 3

Run = Callable[[], Tensor]
Capture = Callable[[Run, Run], Run]
"""``(warm_up, run) -> replay``: calls ``warm_up`` as often as it likes; ``replay`` does what ``run`` would do."""


class DecodeGraph:
    """Steps of one model on one state, captured once for each range of contexts and replayed from then on.

    Weights and state must stay where they are in memory; their values, and the state's position, may change between
    steps. Raises InputError for a model that is not on a CUDA device, unless ``capture`` is given.
    """

    def __init__(self, model: HybridLM, state: ModelState, *, capture: Capture | None = None) -> None:
        device = model.embedding.device
        self._capture = cuda_capture(device) if capture is None else capture
        self._model, self._state = model, state
        self._bounds = context_bounds(model.architecture, state.max_length)
        self._tokens = torch.zeros(state.batch, dtype=torch.int64, device=device)
        has_cache = _kept(model.architecture, 0) < _kept(model.architecture, 1)
        self._slots = torch.arange(state.max_length, device=device) if has_cache else None
        self._replays: dict[int, Run] = {}

    @torch.inference_mode()
    def step(self, tokens: Tensor) -> Tensor:
        """As :meth:`HybridLM.step`: tokens [B] to logits [B, V], which hold until the next step.

        The first step of a range of contexts captures its graph; later ones do not wait for the device. Raises
        InputError for another batch size than the state's, and if the state is full.
        """
        if tokens.shape != self._tokens.shape:
            raise InputError(
                f"decode graph: tokens of shape {tuple(tokens.shape)}; the state has ({len(self._tokens)},)"
            )
        self._state.claim(1)
        self._tokens.copy_(tokens)
        bound = self._bounds[bisect_left(self._bounds, self._state.length)]
        if bound not in self._replays:
            self._replays[bound] = self._capture(
                partial(self._warm_up, bound), partial(self._run, bound, self._state.layers)
            )
        return self._replays[bound]()

    def _run(self, bound: int, states: Iterable[State]) -> Tensor:
        index = self._state.index
        mask = None if self._slots is None else self._slots[:bound] <= index
        logits = self._model.step_at(self._tokens, states, Cursor(index, bound, mask))
        index.add_(1)
        return logits

    def _warm_up(self, bound: int) -> Tensor:
        """As :meth:`_run`, but the state is afterwards as it was before."""
        logits = self._run(bound, _lent(self._state.layers))
        self._state.index.sub_(1)
        return logits


def context_bounds(architecture: Architecture, positions: int) -> tuple[int, ...]:
    """Contexts up to which one graph each reads, ascending; the last is ``positions``.

    Powers of two from SHORTEST_BOUND, as long as a state of that context is smaller than the largest: a window that
    is full or a recurrent state needs no further graph.
    """
    largest = _kept(architecture, positions)
    powers = (SHORTEST_BOUND << doublings for doublings in count())
    return (*takewhile(lambda bound: _kept(architecture, bound) < largest, powers), positions)


def cuda_capture(device: torch.device) -> Capture:
    """Capture into CUDA graphs that share one memory pool. Raises InputError if ``device`` is no CUDA device."""
    if device.type != "cuda":
        raise InputError(f"decode graph: the model is on device '{device}'; CUDA graphs need a model on 'cuda'")
    pool = torch.cuda.graph_pool_handle()
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def capture(warm_up: Run, run: Run) -> Run:
        current = torch.cuda.current_stream(device)
        stream.wait_stream(current)
        with torch.cuda.stream(stream):
            for _ in range(WARM_UPS):
                warm_up()
        current.wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        # The outermost context goes back to the stream of before: a capture that fails stays on its own.
        with torch.cuda.stream(current), _own_workspaces(), torch.cuda.graph(graph, pool=pool, stream=stream):
            logits = run()

        def replay() -> Tensor:
            graph.replay()
            return logits

        return replay

    return capture


@contextmanager
def _own_workspaces() -> Iterator[None]:
    """Let matrix products that are captured meanwhile take their workspaces from the pool of their graph.

    PyTorch keeps workspaces by stream, and frees them with any graph that was captured on that stream. Graphs of other
    networks may still write to them.
    """
    torch._C._cuda_clearCublasWorkspaces()
    try:
        yield
    finally:
        torch._C._cuda_clearCublasWorkspaces()


def _kept(architecture: Architecture, positions: int) -> int:
    """Numbers that the layers keep for one sequence after so many positions."""
    return sum(operator.state_elements(architecture.width, positions) for operator in architecture.operators)


def _lent(states: Iterable[State]) -> Iterator[State]:
    """The states one after the other, each put back as it was when the next one is asked for.

    A copy of all of them at once would halve the batch that fits a device.
    """
    for state in states:
        before = [part.clone() for part in state]
        yield state
        for part, values in zip(state, before, strict=True):
            part.copy_(values)
