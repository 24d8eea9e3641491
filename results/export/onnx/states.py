"""Names and shapes of what a network keeps between tokens."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import torch

from nas_search.space.model import HybridLM
from nas_search.space.operators.attention.module import GroupedQueryAttention
from nas_search.space.operators.module import Mixer, StateFormat
from nas_search.space.operators.sliding_window.module import SlidingWindowModule

BATCH, LENGTH = "batch", "length"
"""Sizes that vary: sequences, and positions in the cache of full attention."""


class StatePart(NamedTuple):
    """A tensor of a layer's state; sizes that vary have a name."""

    name: str
    shape: tuple[int | str, ...]


def state_parts(mixer: Mixer) -> list[StatePart]:
    """``cache`` of keys and values, or ``memory`` that every token changes and ``inputs`` kept as they came."""
    if isinstance(mixer, GroupedQueryAttention):
        slots = mixer.window if isinstance(mixer, SlidingWindowModule) else LENGTH
        return [StatePart("cache", (BATCH, 2, mixer.kv_heads, slots, mixer.head_dim))]
    parts = mixer.new_state(1, 1, StateFormat(torch.device("meta"), torch.float32, torch.float32))
    kinds = ["memory" if is_memory else "inputs" for is_memory in mixer.memory_parts()]
    count = Counter(kinds)
    names = [kind if count[kind] == 1 else f"{kind}{place}" for place, kind in enumerate(kinds)]
    return [StatePart(name, (BATCH, *part.shape[1:])) for name, part in zip(names, parts, strict=True)]


def network_states(network: HybridLM) -> list[list[StatePart]]:
    """Those of each layer, with its number in front of the name: ``3.cache``."""
    mixers = [layer.mixer for layer in network._layers()]
    return [
        [StatePart(f"{place}.{part.name}", part.shape) for part in state_parts(mixer)]
        for place, mixer in enumerate(mixers)
    ]
