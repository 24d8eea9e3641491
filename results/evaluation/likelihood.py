"""Log-likelihoods of continuations: exact sums over tokens, in batches whose padding changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from nas_search.space.model import HybridLM

Progress = Callable[[int, int], None]

LOGITS = 1 << 28
"""A batch has no more logits than these, 1 GiB in float32, unless it is a single sequence."""


class Continuation(NamedTuple):
    """Tokens whose likelihood is asked for, and at least one token before them."""

    context: Sequence[int]
    tokens: Sequence[int]

    @property
    def read(self) -> list[int]:
        """What the network reads: all but the last token."""
        return [*self.context, *self.tokens[:-1]] if self.tokens else list(self.context)


class Likelihood(NamedTuple):
    """Log-likelihood in nats, and whether each token is the likeliest one at its place."""

    nats: float
    greedy: bool


def log_likelihoods(
    model: HybridLM, asked: Sequence[Continuation], *, batch: int, progress: Progress
) -> list[Likelihood]:
    """The log-likelihood of each continuation after its context; 0 for an empty one.

    Sequences of similar length are read together, ``batch`` at most, padded on the right: a causal network does not
    see what comes later. ``progress`` is told how many of them are done.
    """
    found: dict[int, Likelihood] = {}
    for places in _batches([len(one.read) for one in asked], batch, model.architecture.vocabulary):
        found |= zip(places, _score(model, [asked[place] for place in places]), strict=True)
        progress(len(found), len(asked))
    return [found[place] for place in range(len(asked))]


def _batches(lengths: Sequence[int], batch: int, vocabulary: int) -> Iterator[list[int]]:
    """Places of the sequences that are read together, the longest first: if memory is short, it shows at once."""
    order = sorted(range(len(lengths)), key=lambda place: -lengths[place])
    while order:
        size = min(batch, max(1, LOGITS // (lengths[order[0]] * vocabulary)))
        yield order[:size]
        order = order[size:]


@torch.inference_mode()
def _score(model: HybridLM, asked: Sequence[Continuation]) -> list[Likelihood]:
    device = model.embedding.device
    tokens = torch.zeros(len(asked), max(len(one.read) for one in asked), dtype=torch.int64)
    for row, one in zip(tokens, asked, strict=True):
        row[: len(one.read)] = torch.tensor(one.read)
    logits = model(tokens.to(device))
    scores = [_sequence(row, one) for row, one in zip(logits, asked, strict=True)]
    nats, greedy = (torch.stack(column).tolist() for column in zip(*scores, strict=True))
    return [Likelihood(*pair) for pair in zip(nats, greedy, strict=True)]


def _sequence(logits: Tensor, asked: Continuation) -> tuple[Tensor, Tensor]:
    """Of logits [T, V]: the sum of log-probabilities in float64, and whether all tokens are the likeliest."""
    targets = torch.tensor(list(asked.tokens), dtype=torch.int64, device=logits.device)
    start = len(asked.context) - 1
    own = logits[start : start + len(targets)]
    own = own.to(torch.promote_types(own.dtype, torch.float32))
    chosen = own.log_softmax(-1).gather(-1, targets[:, None]).double()
    return chosen.sum(), (own.argmax(-1) == targets).all()
