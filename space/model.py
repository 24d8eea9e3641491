"""The network of an architecture: embedding, pre-norm residual layers, final norm, head."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from nas_search.errors import InputError
from nas_search.space.architecture import Architecture
from nas_search.space.kernels.fused.choice import STEP_CHOICES
from nas_search.space.layer import PlainLayer, calm_residual_writes
from nas_search.space.operators.base import OperatorSpec
from nas_search.space.operators.module import WEIGHT_STD, Cursor, State, StateFormat
from nas_search.space.operators.rms_norm import RMSNorm

# Scale of random recurrent memories: below that of what tokens write into them.
MEMORY_STD = 0.1


@dataclass(slots=True)
class ModelState:
    """What decoding keeps: a state for each layer, and the position [1] of the next token, on device and on host.

    ``memory_parts`` says for each layer which parts of its state are recurrent memories.
    """

    batch: int
    layers: tuple[State, ...]
    memory_parts: tuple[tuple[bool, ...], ...]
    index: Tensor
    length: int
    max_length: int

    def check_batch(self, tokens: Tensor) -> None:
        """Raise InputError if there are not as many sequences of tokens as the state has."""
        if len(tokens) != self.batch:
            raise InputError(f"decoding state: made for {self.batch} sequences, tokens of {len(tokens)} were given")

    def claim(self, positions: int) -> None:
        """Advance the host's position. Raises InputError if the state has no room for so many more."""
        self._go_to(self.length + positions)

    @torch.inference_mode()
    def fill_random(self, length: int, generator: torch.Generator) -> None:
        """As if ``length`` positions, meta tokens among them, had been read: random numbers instead of a prefill.

        In place, whatever was read before: caches and inputs of convolutions at unit scale, recurrent memories smaller.
        For timing steps at long contexts. ``generator`` is on the device of the state. Raises InputError without room.
        """
        self._go_to(length)
        self.index.fill_(length)
        for state, are_memories in zip(self.layers, self.memory_parts, strict=True):
            for part, is_memory in zip(state, are_memories, strict=True):
                part.normal_(std=MEMORY_STD if is_memory else 1, generator=generator)

    def _go_to(self, length: int) -> None:
        if length > self.max_length:
            raise InputError(
                f"decoding state: room for {self.max_length} positions, {length} asked for; "
                "make it with a larger max_length"
            )
        self.length = length


class Layer(PlainLayer):
    """``x + mixer(norm(x))``, with fused steps where they are faster."""

    def __init__(self, operator: OperatorSpec, width: int) -> None:
        super().__init__(operator, width)
        self.notation = operator.notation

    def step(self, x: Tensor, state: State, cursor: Cursor) -> Tensor:
        """One token [B, C]; on a GPU in fused kernels where they are faster."""
        if x.is_cuda:
            return STEP_CHOICES.step(self, x, state, cursor)
        return self.plain_step(x, state, cursor)


class HybridLM(nn.Module):
    """A causal language model. Fresh weights depend on the architecture and the seed alone."""

    def __init__(self, architecture: Architecture, *, seed: int = 0) -> None:
        super().__init__()
        self.architecture = architecture
        width = architecture.width
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            # Logits of a tied head then start at unit scale whatever the width; at width 2048 it is the usual 0.02.
            self.embedding = nn.Parameter(torch.randn(architecture.vocabulary, width).mul_(width**-0.5))
            self.meta_tokens = _meta_tokens(architecture)
            self.layers = nn.ModuleList(Layer(operator, width) for operator in architecture.operators)
            self.norm = RMSNorm(width)
            self.head = (
                None if architecture.tied_head else nn.Parameter(torch.randn_like(self.embedding).mul_(WEIGHT_STD))
            )
        calm_residual_writes(self._layers())

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits [B, T, V] of the tokens that follow tokens [B, T]."""
        return self._logits(self._hidden(tokens, None))

    def loss(self, tokens: Tensor) -> Tensor:
        """Mean cross-entropy in nats per token of tokens [B, T + 1], each predicted from those before it."""
        logits = self(tokens[:, :-1]).flatten(0, 1)
        # A loss in half precision has steps of half a per cent: too coarse to rank by.
        exact = logits.to(torch.promote_types(logits.dtype, torch.float32))
        return functional.cross_entropy(exact, tokens[:, 1:].flatten())

    def new_state(self, batch: int, max_length: int, state_dtype: torch.dtype | None = None) -> ModelState:
        """Decoding state for sequences of at most ``max_length`` tokens; room for meta tokens is added.

        Recurrent memories have the format ``state_dtype``: without one that of the model, but float32 for half
        precision. Everything else is in the model's.
        """
        positions = max_length + self.architecture.meta_tokens
        form = StateFormat.like(self.embedding, state_dtype)
        mixers = [layer.mixer for layer in self._layers()]
        layers = tuple(mixer.new_state(batch, positions, form) for mixer in mixers)
        memory_parts = tuple(mixer.memory_parts() for mixer in mixers)
        index = torch.zeros(1, dtype=torch.int64, device=form.device)
        return ModelState(batch, layers, memory_parts, index, 0, positions)

    def prefill(self, tokens: Tensor, state: ModelState) -> Tensor:
        """Read tokens [B, T] from position 0 into a fresh state; logits [B, V] of the token that follows.

        Raises InputError for a state that has been read into, of another batch, or without room.
        """
        if state.length:
            raise InputError(f"prefill: the state stands at position {state.length}; make a new one")
        state.check_batch(tokens)
        positions = tokens.shape[1] + self.architecture.meta_tokens
        state.claim(positions)
        hidden = self._hidden(tokens, state)
        state.index.fill_(positions)
        return self._logits(hidden[:, -1])

    def step(self, tokens: Tensor, state: ModelState) -> Tensor:
        """Read one token [B] of each sequence; logits [B, V] of the one that follows. In place on ``state``."""
        state.check_batch(tokens)
        state.claim(1)
        logits = self.step_at(tokens, state.layers, Cursor(state.index, state.length))
        state.index.add_(1)
        return logits

    def step_at(self, tokens: Tensor, states: Iterable[State], cursor: Cursor) -> Tensor:
        """Logits [B, V] after tokens [B] at ``cursor``, in place on the layers' states; the position stays.

        A state is taken when its layer's turn comes, and the next one, or the end, is asked for when it is done.
        """
        x = functional.embedding(tokens, self.embedding)
        for layer, layer_state in zip(self._layers(), states, strict=True):
            x = layer.step(x, layer_state, cursor)
        return self._logits(x)

    @torch.inference_mode()
    def generate(
        self, tokens: Tensor, new_tokens: int, *, temperature: float = 1.0, top_k: int | None = None, seed: int = 0
    ) -> Tensor:
        """Continue tokens [B, T] by ``new_tokens`` sampled ones: [B, T + new_tokens].

        Temperature 0 takes the likeliest token. Raises InputError for an empty prompt or options out of range.
        """
        _check_sampling(tokens, new_tokens, temperature, top_k)
        generator = torch.Generator(tokens.device).manual_seed(seed)
        state = self.new_state(tokens.shape[0], tokens.shape[1] + new_tokens)
        logits = self.prefill(tokens, state)
        output = [tokens]
        for position in range(new_tokens):
            chosen = _sample(logits, temperature, top_k, generator)
            output.append(chosen.unsqueeze(1))
            if position + 1 < new_tokens:
                logits = self.step(chosen, state)
        return torch.cat(output, 1)

    def _hidden(self, tokens: Tensor, state: ModelState | None) -> Tensor:
        """Residual stream [B, T, C] after the last layer, without the positions of meta tokens."""
        x = functional.embedding(tokens, self.embedding)
        meta = self.architecture.meta_tokens
        if self.meta_tokens is not None:
            x = torch.cat((self.meta_tokens.expand(len(x), -1, -1), x), 1)
        states = [None] * len(self.layers) if state is None else state.layers
        for layer, layer_state in zip(self.layers, states, strict=True):
            x = layer(x, layer_state)
        return x[:, meta:]

    def _logits(self, hidden: Tensor) -> Tensor:
        return functional.linear(self.norm(hidden), self.embedding if self.head is None else self.head)

    def _layers(self) -> list[Layer]:
        return [layer for layer in self.layers if isinstance(layer, Layer)]


def _meta_tokens(architecture: Architecture) -> nn.Parameter | None:
    """Learned vectors before every sequence, from N(0, 1) as in Nemotron-Flash; none if there are none."""
    if not architecture.meta_tokens:
        return None
    return nn.Parameter(torch.randn(architecture.meta_tokens, architecture.width))


def _check_sampling(tokens: Tensor, new_tokens: int, temperature: float, top_k: int | None) -> None:
    if tokens.dim() != 2 or not tokens.numel():
        raise InputError(f"generate: tokens of shape {tuple(tokens.shape)}; a non-empty [batch, tokens] is needed")
    if new_tokens < 1:
        raise InputError(f"generate: new_tokens={new_tokens}; at least 1 is needed")
    if not temperature >= 0:
        raise InputError(f"generate: temperature={temperature}; a number of at least 0 is needed")
    if top_k is not None and top_k < 1:
        raise InputError(f"generate: top_k={top_k}; at least 1 is needed")


def _sample(logits: Tensor, temperature: float, top_k: int | None, generator: torch.Generator) -> Tensor:
    """One token [B] from logits [B, V]."""
    if temperature == 0:
        return logits.argmax(-1)
    logits = logits.float() / temperature
    if top_k is not None and top_k < logits.shape[-1]:
        least = logits.topk(top_k).values[:, -1:]
        logits = logits.masked_fill(logits < least, -torch.inf)
    return torch.multinomial(logits.softmax(-1), 1, generator=generator).squeeze(1)
