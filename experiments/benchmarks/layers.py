"""Whole layers, ours and those of others, in training and in decoding."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

import torch
from assembled import Peer
from comparison import OURS, Comparison, Contestant, Run
from peers import peers
from torch import Tensor

from nas_search.space.notation import parse_operator
from nas_search.space.operators.module import Cursor, Mixer, StateFormat

# Where the defaults would hide what matters: the usual window is longer than these sequences.
NOTATIONS = {"swa": "swa[window=64]"}


def training_of_layer(code: str, width: int, batch: int, tokens: int) -> Comparison:
    """Forward and backward from a batch [batch, tokens, width], gradients of the input and of all weights."""
    notation, ours = build(code, width)
    (x,) = random_leaves((batch, tokens, width))
    contestants = {OURS: both_ways(ours, x, weights=tuple(ours.parameters()))}
    for name, peer in peers(ours).items():
        contestants[name] = both_ways(peer, x, weights=tuple(peer.parameters()))
    return Comparison(code, "training", f"{notation}, width {width}", contestants)


def decoding_of_layer(code: str, width: int, context: int, tokens: int) -> Comparison:
    """``tokens`` tokens of one sequence, one at a time, after ``context`` tokens."""
    notation, ours = build(code, width)
    (x,) = random_leaves((1, context + tokens, width))
    with torch.inference_mode():
        prompt, *following = x.split([context] + [1] * tokens, 1)
        contestants = {OURS: our_steps(ours.eval(), prompt, following)}
        for name, peer in peers(ours).items():
            # Chunks matter to sequences alone.
            contestants.setdefault(name.partition(",")[0], their_steps(peer.eval(), prompt, following))
    return Comparison(code, "decode", f"{notation}, width {width}", contestants, tokens)


def build(code: str, width: int) -> tuple[str, Mixer]:
    """The notation of an operator, and its module with weights from a fixed seed."""
    spec = parse_operator(NOTATIONS.get(code, code))
    spec.check(width)
    torch.manual_seed(0)
    return spec.notation, spec.build(width)


def random_leaves(*shapes: tuple[int, ...]) -> Iterator[Tensor]:
    """Inputs from N(0, 1) that want gradients, from a fixed seed."""
    generator = torch.Generator().manual_seed(0)
    return (torch.randn(shape, generator=generator).requires_grad_() for shape in shapes)


def both_ways(function: Callable[..., Tensor], *inputs: Tensor, weights: tuple[Tensor, ...] = ()) -> Contestant:
    """Forward, and backward from a fixed gradient; the output and the gradients of the inputs."""
    with torch.no_grad():
        shape = function(*inputs).shape
    gradient = torch.randn(shape, generator=torch.Generator().manual_seed(1))

    def run() -> tuple[Tensor, ...]:
        output = function(*inputs)
        gradients = torch.autograd.grad(output, (*inputs, *weights), gradient)
        return output.detach(), *gradients[: len(inputs)]

    return lambda: run


def our_steps(ours: Mixer, prompt: Tensor, following: list[Tensor]) -> Contestant:
    """From a copy of the state after the prompt; a network makes one cursor for all of its layers."""
    batch, context, _ = prompt.shape
    state = ours.new_state(batch, context + len(following), StateFormat.like(prompt))
    ours(prompt, state)
    cursors = [Cursor(torch.tensor([t]), t + 1) for t in range(context, context + len(following))]
    tokens = [token.squeeze(1) for token in following]

    def make_ready() -> Run:
        own = tuple(part.clone() for part in state)

        @torch.inference_mode()
        def run() -> tuple[Tensor]:
            steps = (ours.step(token, own, cursor) for token, cursor in zip(tokens, cursors, strict=True))
            return (torch.stack(list(steps), 1),)

        return run

    return make_ready


def their_steps(peer: Peer, prompt: Tensor, following: list[Tensor]) -> Contestant:
    """From a copy of the cache after the prompt."""
    cache = peer.new_cache()
    peer(prompt, cache)

    def make_ready() -> Run:
        own = copy.deepcopy(cache)

        @torch.inference_mode()
        def run() -> tuple[Tensor]:
            return (torch.cat([peer(token, own) for token in following], 1),)

        return run

    return make_ready
