"""SwiGLU feed-forward network."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from nas_search.space.operators.ffn.spec import FeedForward
from nas_search.space.operators.module import Cursor, Mixer, Projection, State, StateFormat


class FeedForwardModule(Mixer):
    """``gate_up_proj`` holds the rows of the gate projection, then those of the up projection."""

    def __init__(self, spec: FeedForward, width: int) -> None:
        super().__init__()
        hidden = spec.hidden_size(width)
        self.gate_up_proj = Projection(width, 2 * hidden)
        self.out_proj = Projection(hidden, width)

    def forward(self, x: Tensor, state: State | None = None) -> Tensor:
        """Every token by itself: any leading dimensions."""
        gate, up = self.gate_up_proj(x).chunk(2, -1)
        return self.out_proj(functional.silu(gate) * up)

    def new_state(self, batch: int, max_length: int, form: StateFormat) -> State:
        """Nothing to remember."""
        return ()

    def step(self, x: Tensor, state: State, cursor: Cursor) -> Tensor:
        """One token [B, C]."""
        return self.forward(x)

    def residual_weights(self) -> tuple[Tensor, ...]:
        """The down projection."""
        return (self.out_proj.weight,)
