"""Weight normalisation (Fu et al. 2025, "Nemotron-Flash"): matrices at the residual stream keep unit vectors.

After every optimiser step each row of a matrix that reads the stream, and each column of one that writes it, is
divided by its Euclidean norm: vectors of the stream's width, either way. Which matrices these are is not published in
detail. Here they are the linear layers of operators:

- One reads the stream if nothing that another linear layer made goes into it: projections to queries, keys, values,
  gates, step sizes, betas and low-rank factors, whether an operator has a matrix for each or one for all. Token shifts
  and their mixing come before it.
- One writes the stream if the operator names it in ``residual_weights``. What does both counts as writing.
- Everything else is left alone: embedding, head and meta tokens, whose lengths mean something (how likely a token is);
  convolutions, rates and norms, which have no vectors of the stream's width; biases; and matrices between two others.

A vector of zeros stays zero: some factors start there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nas_search.space.model import HybridLM
from nas_search.space.operators.module import Mixer

ROWS, COLUMNS = 1, 0
"""The axis along which the vectors of a matrix [outputs, inputs] lie."""
_LEAST_SQUARE = 1e-30


@dataclass(frozen=True)
class StreamWeights:
    """The linear layers of a network that read the residual stream, and those that write it."""

    readers: tuple[nn.Linear, ...]
    writers: tuple[nn.Linear, ...]

    @classmethod
    def of(cls, model: HybridLM) -> StreamWeights:
        """Those of ``model``, which has to be on a CPU: each of its operators reads one token."""
        readers: list[nn.Linear] = []
        writers: list[nn.Linear] = []
        for layer in model.layers:
            mixer, width = layer.mixer, model.architecture.width
            assert isinstance(mixer, Mixer)
            ends = writing(mixer, width)
            writers += ends
            readers += (linear for linear in reading(mixer, width) if linear not in ends)
        return cls(tuple(readers), tuple(writers))

    @torch.no_grad()
    def project(self) -> None:
        """Give all rows of readers and all columns of writers unit norm."""
        for linear in self.readers:
            _normalise(linear.weight, ROWS)
        for linear in self.writers:
            _normalise(linear.weight, COLUMNS)


def writing(mixer: Mixer, width: int) -> list[nn.Linear]:
    """Linear layers whose weights the operator names as those that write the stream."""
    named = {id(weight) for weight in mixer.residual_weights()}
    return [linear for linear in _linears(mixer) if id(linear.weight) in named and linear.out_features == width]


def reading(mixer: Mixer, width: int) -> list[nn.Linear]:
    """Linear layers that get all channels of the stream, and nothing that another one made: one token tells.

    The operator has to be on a CPU.
    """
    found: list[nn.Linear] = []

    def note(linear: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(linear, nn.Linear)
        if linear.in_features == width and not inputs[0].requires_grad and linear not in found:
            found.append(linear)

    linears = _linears(mixer)
    hooks = [linear.register_forward_pre_hook(note) for linear in linears]
    with _only_gradients_of(mixer, linears), torch.enable_grad():
        mixer(torch.ones(1, 1, width))
    for hook in hooks:
        hook.remove()
    return found


def _linears(mixer: Mixer) -> list[nn.Linear]:
    return [module for module in mixer.modules() if isinstance(module, nn.Linear)]


@contextmanager
def _only_gradients_of(mixer: Mixer, linears: Sequence[nn.Linear]) -> Iterator[None]:
    """With gradients of the linear layers' weights alone, a tensor wants one if it depends on such a layer."""
    wanted = {id(linear.weight) for linear in linears}
    before = {weight: weight.requires_grad for weight in mixer.parameters()}
    for weight in before:
        weight.requires_grad_(id(weight) in wanted)
    try:
        yield
    finally:
        for weight, was in before.items():
            weight.requires_grad_(was)


def _normalise(matrix: Tensor, axis: int) -> None:
    """Divide by the norms along ``axis``, in place."""
    # Along columns, PyTorch's own norm takes several times as long on a CPU.
    squares = torch.linalg.vecdot(matrix, matrix, dim=axis).clamp_min_(_LEAST_SQUARE)
    matrix.mul_(squares.rsqrt_().unsqueeze(axis))
