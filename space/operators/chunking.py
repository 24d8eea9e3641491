"""Cutting sequences into chunks, so that a recurrence becomes a few large matrix products per chunk."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def chunk_length(tokens: int, longest: int) -> int:
    """A sequence shorter than a chunk is one chunk by itself: nothing is padded."""
    return min(tokens, longest)


def into_chunks(x: Tensor, length: int) -> Tensor:
    """x [B, T, ...] as [B, chunks, length, ...], with zeros after the end."""
    missing = -x.shape[1] % length
    if missing:
        x = functional.pad(x, (0, 0) * (x.dim() - 2) + (0, missing))
    return torch.unflatten(x, 1, (-1, length))


def from_chunks(x: Tensor, tokens: int) -> Tensor:
    """The inverse of :func:`into_chunks`: x [B, chunks, length, ...] as [B, T, ...]."""
    x = x.flatten(1, 2)
    # Even a slice of everything costs its gradient a copy.
    return x if x.shape[1] == tokens else x[:, :tokens]


def chunks_first(x: Tensor, length: int) -> Tensor:
    """x [B, T, H, D] as [chunks, B * H, length, D]: a loop over chunks then cuts contiguous pieces."""
    return into_chunks(x, length).permute(1, 0, 3, 2, 4).flatten(1, 2)


def chunks_back(x: Tensor, batch: int, tokens: int) -> Tensor:
    """The inverse of :func:`chunks_first`: x [chunks, B * H, length, D] as [B, T, H, D]."""
    count, _, length, size = x.shape
    return from_chunks(x.view(count, batch, -1, length, size).permute(1, 0, 3, 2, 4), tokens)
