"""A decode step of transformers with a static cache: the yardstick that the baselines must not fall behind.

The network is built from a configuration of the same shape, with random weights. Compiled, the whole step is one graph
(``fullgraph``), replayed as a CUDA graph on a GPU (``reduce-overhead``). Its cache is no longer than the context needs,
and the step begins with a token and ends with the likeliest next one, as ours does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, LlamaConfig, PretrainedConfig, Qwen2Config, Qwen3Config, StaticCache

from nas_search.errors import InputError
from nas_search.profiler.timing import Task
from nas_search.space.architecture import Architecture
from nas_search.space.operators.attention.spec import Attention
from nas_search.space.operators.ffn.spec import FeedForward

# What is compiled, recorded as a graph or allocated at a first call is none of a step's time.
WARM_UPS = 3
# Steps before the position must be set back, and so the slots that the cache has to spare.
MAX_RUNS = 8
NORM_EPS = 1e-6


def config_of(architecture: Architecture, positions: int) -> PretrainedConfig:
    """The configuration that builds a network of this shape: Qwen3, Qwen2 or Llama, by its attention's options.

    Raises InputError for anything but one attention operator and one FFN in turns.
    """
    operators = architecture.operators
    attention, ffn = operators[0], operators[-1]
    in_turns = operators == operators[:2] * (len(operators) // 2) and not architecture.meta_tokens
    if not (in_turns and isinstance(attention, Attention) and isinstance(ffn, FeedForward)):
        raise InputError(f"'{architecture.notation}': transformers has no class of this shape")
    if attention.qk_norm and attention.qkv_bias:
        raise InputError(f"'{architecture.notation}': transformers has no class with both qk_norm and qkv_bias")
    kind: Any = Qwen3Config if attention.qk_norm else Qwen2Config if attention.qkv_bias else LlamaConfig
    sizes = attention.sizes(architecture.width)
    config: PretrainedConfig = kind(
        vocab_size=architecture.vocabulary,
        hidden_size=architecture.width,
        intermediate_size=ffn.hidden_size(architecture.width),
        num_hidden_layers=architecture.depth // 2,
        num_attention_heads=sizes.heads,
        num_key_value_heads=sizes.kv_heads,
        head_dim=sizes.head_dim,
        max_position_embeddings=positions,
        rms_norm_eps=NORM_EPS,
        rope_parameters={"rope_type": "default", "rope_theta": attention.rope_theta},
        tie_word_embeddings=architecture.tied_head,
        attn_implementation="sdpa",
    )
    return config


class StaticCacheStep:
    """One sequence that holds ``context`` tokens of random keys and values."""

    def __init__(
        self, architecture: Architecture, context: int, place: torch.device, dtype: torch.dtype, *, compiled: bool
    ) -> None:
        self.context = context
        # Compiled code is run as transformers itself does, whose mode for generation is no_grad.
        self._mode: Callable[[], Any] = plain_no_grad if compiled else nullcontext
        config = config_of(architecture, context + MAX_RUNS)
        build: Any = AutoModelForCausalLM.from_config
        with self._mode(), place:
            self.model: Any = build(config, dtype=dtype).eval()
            self.tokens = torch.randint(architecture.vocabulary, (1, 1))
            self.cache = StaticCache(config=config, max_cache_len=context + MAX_RUNS)
            # The first step allocates the cache, outside of compiled code.
            self.logits()
            for layer in self._layers():
                layer.keys.normal_()
                layer.values.normal_()
        self._next = _compiled(self._next_token) if compiled else self._next_token
        self.reset()
        for _ in range(WARM_UPS):
            self.run()

    def task(self) -> Task:
        """The step, to be measured."""
        return Task(self.run, self.reset, max_runs=MAX_RUNS)

    def run(self) -> Tensor:
        """One step, and one position further."""
        with self._mode():
            return self._next()

    def reset(self) -> None:
        """Back to the context."""
        for layer in self._layers():
            layer.cumulative_length.fill_(self.context)

    def logits(self) -> Tensor:
        """Those [1, V] of the next token. The cache is the fourth argument, whatever a version calls it."""
        with self._mode():
            logits: Tensor = self.model(self.tokens, None, None, self.cache).logits[:, -1]
            return logits

    def _layers(self) -> Any:
        return self.cache.layers

    def _next_token(self) -> Tensor:
        chosen: Tensor = self.model(self.tokens, None, None, self.cache).logits[:, -1].argmax(-1)
        return chosen


def _compiled(function: Callable[[], Tensor]) -> Callable[[], Tensor]:
    """One graph of fixed shapes: those of another context make another one, not a general one."""
    torch._dynamo.reset()
    return torch.compile(function, mode="reduce-overhead", fullgraph=True, dynamic=False)


@contextmanager
def plain_no_grad() -> Iterator[None]:
    """Without gradients, outside of inference mode."""
    with torch.inference_mode(False), torch.no_grad():
        yield
