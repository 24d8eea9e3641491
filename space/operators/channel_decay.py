"""Recurrences whose state decays by another factor for every channel of the key, in chunks.

With L_t the running sum of log decays in a chunk, a query sees a key through ``sum_d q_id k_jd exp(L_id - L_jd)``:
one matrix product if the decays are put on the vectors, rows ``q exp(L - L_last / 2)`` and columns
``k exp(L_last / 2 - L)``. The middle of the chunk as the origin halves the exponents, but strong decays would still
overflow in a long chunk. So the chunk is as long as the data allow, and at the shortest one, a log decay is cut off
where the decay is zero beside one to the precision of the numbers.

With ``half = exp(L_last / 2)``, rows and columns meet the state S before the chunk in the same scale::

    T = half * S        y = rows T + tril(rows columns^T) v        S' = half * (T + columns^T v)
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from nas_search.space.operators.chunking import chunk_length, chunks_first

LENGTHS = (32, 16, 8, 4)
# Largest exponent on a vector: far enough below the end of float32 that large queries, keys and values fit too. The
# cuts at the shortest chunk, exp(-20) and exp(-40), are below the precision of their formats.
LARGEST_EXPONENT = {torch.float32: 40.0, torch.float64: 80.0}


class ChannelDecay(NamedTuple):
    """Scales of one sequence cut into chunks of ``length``.

    ``rows`` exp(L - L_last / 2) and ``columns`` its inverse are [chunks, B * H, length, K], ``half`` exp(L_last / 2) is
    [chunks, B * H, K, 1]. Its square, the decay of a whole chunk, may vanish where ``half * columns`` does not.
    """

    length: int
    rows: Tensor
    columns: Tensor
    half: Tensor


def cut_off(log_decay: Tensor) -> Tensor:
    """Log decays that are equal to those given, to the precision of their exponentials."""
    return log_decay.clamp_min(-2 * LARGEST_EXPONENT[log_decay.dtype] / LENGTHS[-1])


def channel_decay(log_decay: Tensor, longest: int = LENGTHS[0]) -> ChannelDecay:
    """The scales for log decays [B, T, H, K], at most 0 and :func:`cut_off`, in chunks of at most ``longest``."""
    length = _allowed(log_decay.detach(), 2 * LARGEST_EXPONENT[log_decay.dtype], longest)
    total = chunks_first(log_decay, length).cumsum(2)
    half = total[:, :, -1:] / 2
    centred = total - half
    return ChannelDecay(length, centred.exp(), (-centred).exp(), half.exp().mT)


def _allowed(log_decay: Tensor, most: float, longest: int) -> int:
    """The longest chunk in which no channel's log decays sum to less than ``-most``."""
    for candidate in LENGTHS[:-1]:
        length = chunk_length(log_decay.shape[1], candidate)
        if candidate <= longest and chunks_first(log_decay, length).sum(2).amin() >= -most:
            return length
    return chunk_length(log_decay.shape[1], LENGTHS[-1])


def carry(added: Tensor, half: Tensor) -> tuple[Tensor, Tensor]:
    """T of each chunk [chunks, B * H, K, V], and the state after the last, for ``added`` columns^T v."""
    state = torch.zeros_like(added[0])
    scaled = []
    for new, scale in zip(added.unbind(0), half.unbind(0), strict=True):
        scaled.append(state * scale)
        state = (scaled[-1] + new) * scale
    return torch.stack(scaled), state
