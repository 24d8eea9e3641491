"""What decoding keeps between calls: the states of all layers, for sequences of different lengths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from nas_search.space.layer import PlainLayer
from nas_search.space.operators.module import Cursor, State, StateFormat

SMALLEST_CAPACITY = 256


@dataclass
class SequenceGroup:
    """Sequences that have read equally many tokens, and so stand at the same position.

    ``rows`` are their places in the batch, in ascending order. ``length`` counts what they have read, meta tokens
    included, ``index`` [1] is the same on the device; their states have room for ``capacity`` positions.
    """

    rows: list[int]
    states: list[State]
    index: Tensor
    length: int
    capacity: int

    @classmethod
    def new(cls, layers: Sequence[PlainLayer], x: Tensor, rows: list[int], length: int) -> SequenceGroup:
        """Empty states that will have read ``length`` positions of inputs such as x [B, T, C]."""
        capacity = _capacity(length)
        states = _new_states(layers, len(rows), capacity, x)
        index = torch.full((1,), length, dtype=torch.int64, device=x.device)
        return cls(rows, states, index, length, capacity)

    def next_cursor(self, layers: Sequence[PlainLayer], x: Tensor) -> Cursor:
        """Where the next token of inputs such as x [B, C] goes; makes room for it."""
        self.length += 1
        if self.length > self.capacity:
            self.capacity = _capacity(self.length)
            wider = _new_states(layers, len(self.rows), self.capacity, x)
            for old, new in zip(self.states, wider, strict=True):
                _copy_into(new, old)
            self.states = wider
        return Cursor(self.index, self.length)

    def select(self, rows: list[int], chosen: list[int]) -> SequenceGroup:
        """The group's sequences number ``chosen``, at places ``rows`` of another batch."""
        places = torch.tensor(chosen, device=self.index.device)
        states = [tuple(part.index_select(0, places) for part in state) for state in self.states]
        return SequenceGroup(rows, states, self.index.clone(), self.length, self.capacity)


@dataclass
class NasSearchCache:
    """The states of a batch. It is changed in place by every call that reads on.

    ``columns`` counts the tokens given so far, padding included.
    """

    groups: list[SequenceGroup] = field(default_factory=list)
    columns: int = 0

    # What ``generate`` asks of a cache.
    is_compileable = False
    is_croppable = False
    is_linear = (False,)

    @property
    def batch(self) -> int:
        """Number of sequences."""
        return sum(len(group.rows) for group in self.groups)

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Tokens given so far, padding included."""
        return self.columns

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Sequence i goes on from what was sequence ``beam_idx[i]``."""
        sources = beam_idx.tolist()
        groups = []
        for group in self.groups:
            rows = [row for row, source in enumerate(sources) if source in group.rows]
            if rows:
                groups.append(group.select(rows, [group.rows.index(sources[row]) for row in rows]))
        self.groups = groups


def _capacity(length: int) -> int:
    """Powers of two, so that growing caches are seldom copied."""
    return max(SMALLEST_CAPACITY, 1 << (length - 1).bit_length())


def _new_states(layers: Sequence[PlainLayer], batch: int, capacity: int, x: Tensor) -> list[State]:
    form = StateFormat.like(x)
    return [layer.mixer.new_state(batch, capacity, form) for layer in layers]


def _copy_into(new: State, old: State) -> None:
    """Caches grow along one axis, at its end; everything else keeps its shape."""
    for wide, narrow in zip(new, old, strict=True):
        wide[tuple(slice(size) for size in narrow.shape)].copy_(narrow)
