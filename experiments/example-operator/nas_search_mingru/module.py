"""minGRU: gate and candidate projections, the recurrence as a parallel scan, an output projection."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from nas_search.space.operators.module import Cursor, Mixer, Projection, State, StateFormat
from nas_search_mingru.spec import MinGRU


class MinGRUModule(Mixer):
    """``in_proj`` holds the rows of the gate, then those of the candidate."""

    def __init__(self, spec: MinGRU, width: int) -> None:
        super().__init__()
        self.inner = spec.expand * width
        self.in_proj = Projection(width, 2 * self.inner)
        self.out_proj = Projection(self.inner, width)

    def forward(self, x: Tensor, state: State | None = None) -> Tensor:
        """A whole sequence [B, T, C]."""
        gate, candidate = self.in_proj(x).chunk(2, -1)
        memory = scan(torch.sigmoid(-gate), torch.sigmoid(gate) * candidate)
        if state is not None:
            state[0].copy_(memory[:, -1])
        return self.out_proj(memory)

    def new_state(self, batch: int, max_length: int, form: StateFormat) -> State:
        """The memory [B, inner]."""
        return (torch.zeros(batch, self.inner, device=form.device, dtype=form.memory),)

    def step(self, x: Tensor, state: State, cursor: Cursor) -> Tensor:
        """One token [B, C] of the recurrence."""
        gate, candidate = self.in_proj(x).to(state[0].dtype).chunk(2, -1)
        return self.out_proj(state[0].lerp_(candidate, torch.sigmoid(gate)).to(x.dtype))

    def residual_weights(self) -> tuple[Tensor, ...]:
        """The output projection."""
        return (self.out_proj.weight,)


def scan(decay: Tensor, update: Tensor) -> Tensor:
    """``h_t = decay_t h_{t-1} + update_t`` for all t of [B, T, inner] at once, with zeros before.

    By doubling (Hillis and Steele 1986): after a round with ``reach`` n, ``update`` holds what the last 2n tokens
    add up to, and ``decay`` what is left of what came before them. Decays are products of gates between 0 and 1, so
    saturated gates overflow nothing, as they would in cumulative sums of logarithms.
    """
    reach = 1
    while reach < update.shape[1]:
        earlier = functional.pad(update, (0, 0, reach, 0))[:, :-reach]
        update = torch.addcmul(update, decay, earlier)
        decay = decay * functional.pad(decay, (0, 0, reach, 0))[:, :-reach]
        reach *= 2
    return update
