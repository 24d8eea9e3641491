"""The network as a causal language model of transformers.

Padding is left out rather than masked: sequences with the same padding are read together, and decode together, so a
sequence gives the same whatever stands beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from transformers import GenerationMixin, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast

from nas_search.results.export.hf.configuration import NasSearchConfig
from nas_search.results.export.hf.decoding_cache import NasSearchCache, SequenceGroup
from nas_search.results.export.hf.padding import check_only_tokens, real_spans
from nas_search.space.layer import PlainLayer, calm_residual_writes
from nas_search.space.operators.base import OperatorSpec
from nas_search.space.operators.module import WEIGHT_STD, State
from nas_search.space.operators.registry import BUILT_IN
from nas_search.space.operators.rms_norm import RMSNorm

OPERATORS = {operator.code: operator for operator in BUILT_IN}
# Versions of transformers before 5.24 call an output's cache by its older name.
CACHE = "cache" if "cache" in CausalLMOutputWithPast.__dataclass_fields__ else "past_key_values"
# What ``generate`` or a trainer may pass on that means nothing here.
IGNORED = {"cache_position", "num_items_in_batch", "is_first_iteration"}


def operator_of(layer: Mapping[str, Any]) -> OperatorSpec:
    """The operator of an entry of ``NasSearchConfig.layers``. Raises ValueError if its code does not travel here."""
    options = dict(layer)
    code = options.pop("operator")
    if code not in OPERATORS:
        raise ValueError(f"operator '{code}' is none of those in this file: {', '.join(OPERATORS)}")
    return OPERATORS[code](**options)


class NasSearchPreTrainedModel(PreTrainedModel):
    """What the network has in common with and without its head."""

    config_class = NasSearchConfig
    base_model_prefix = "model"
    supports_gradient_checkpointing = True
    _is_stateful = True
    _supports_sdpa = True
    _no_split_modules: ClassVar[list[str]] = ["PlainLayer"]
    _skip_keys_device_placement: ClassVar[list[str]] = ["cache", "past_key_values"]

    def _init_weights(self, module: nn.Module) -> None:
        """Fresh weights are those of the constructors; what a checkpoint lacks is taken from a fresh network."""
        if not self._made_without_weights:
            return
        name = next(name for name, each in self.named_modules() if each is module)
        fresh = type(self)(self.config).get_submodule(name)
        for key, weight in module.named_parameters(recurse=False):
            if not getattr(weight, "_is_hf_initialized", False):
                weight.data.copy_(getattr(fresh, key))


class NasSearchModel(NasSearchPreTrainedModel):
    """Embedding, meta tokens, pre-norm residual layers and the final norm."""

    def __init__(self, config: NasSearchConfig) -> None:
        super().__init__(config)
        width = config.hidden_size
        self.embed_tokens = nn.Embedding(config.vocab_size, width)
        nn.init.normal_(self.embed_tokens.weight, std=width**-0.5)
        self.meta_tokens = nn.Parameter(torch.randn(config.meta_tokens, width)) if config.meta_tokens else None
        self.layers = nn.ModuleList(PlainLayer(operator_of(layer), width) for layer in config.layers)
        calm_residual_writes(self._layers())
        self.norm = RMSNorm(width)
        self.gradient_checkpointing = False
        self._made_without_weights = self.norm.weight.is_meta
        self.post_init()

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        *,
        past_key_values: NasSearchCache | None = None,
        cache: NasSearchCache | None = None,
        inputs_embeds: Tensor | None = None,
        use_cache: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        **others: Any,
    ) -> BaseModelOutputWithPast | tuple[Any, ...]:
        """Tokens [B, T], or their embeddings [B, T, C], to the last hidden state [B, T, C].

        A cache (``past_key_values`` is its older name) is read on from, and changed in place. Tokens that follow one
        are read one at a time, without gradients. With ``output_hidden_states`` also the embeddings and the output
        of every layer.
        """
        _check_ignored(others)
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("give either input_ids or inputs_embeds")
        x = self.embed_tokens(input_ids) if inputs_embeds is None else inputs_embeds
        memory = past_key_values if cache is None else cache
        if memory is None and (self.config.use_cache and not self.training if use_cache is None else use_cache):
            memory = NasSearchCache()
        if memory is not None and not isinstance(memory, NasSearchCache):
            raise TypeError(f"a {type(memory).__name__} cannot hold these states; leave it out, and a cache is made")
        every = self.config.output_hidden_states if output_hidden_states is None else output_hidden_states
        *before, last = (
            self._read_on(x, attention_mask, memory, every=every)
            if memory is not None and memory.columns
            else self._read(x, attention_mask, memory, every=every)
        )
        last = self.norm(last)
        output = BaseModelOutputWithPast(
            last_hidden_state=last, hidden_states=(*before, last) if every else None, **{CACHE: memory}
        )
        return output if _wants_dict(self.config, return_dict) else output.to_tuple()

    def _read(
        self, x: Tensor, attention_mask: Tensor | None, memory: NasSearchCache | None, *, every: bool
    ) -> list[Tensor]:
        """Sequences from their start: the stream [B, T, C] after the last layer, or before and after every layer."""
        batch, tokens, _ = x.shape
        spans = real_spans(attention_mask, batch, tokens, to_the_end=memory is None)
        if memory is not None:
            length = self.config.meta_tokens
            memory.groups = [
                SequenceGroup.new(self._layers(), x, span.rows, length + span.end - span.start) for span in spans
            ]
            memory.columns = tokens
        if len(spans) == 1 and spans[0][1:] == (0, tokens):
            return self._read_sequences(x, memory.groups[0].states if memory else None, every=every)
        streams = [torch.zeros_like(x) for _ in range(len(self.layers) + 1 if every else 1)]
        for number, (rows, start, end) in enumerate(spans):
            states = memory.groups[number].states if memory else None
            for stream, part in zip(
                streams, self._read_sequences(x[rows, start:end], states, every=every), strict=True
            ):
                stream[rows, start:end] = part
        return streams

    def _read_sequences(self, x: Tensor, states: list[State] | None, *, every: bool) -> list[Tensor]:
        """The same for sequences without padding; leaves the states ready for the next token."""
        meta = self.config.meta_tokens
        if self.meta_tokens is not None:
            x = torch.cat((self.meta_tokens.expand(len(x), -1, -1), x), 1)
        streams = [x]
        for number, layer in enumerate(self._layers()):
            x = self._through(layer, x, None if states is None else states[number])
            streams = [*streams, x] if every else [x]
        return [stream[:, meta:] for stream in streams]

    def _through(self, layer: PlainLayer, x: Tensor, state: State | None) -> Tensor:
        if state is not None and torch.is_grad_enabled():
            # Gradients do not go through states, which are changed in place.
            with torch.no_grad():
                layer(x, state)
            state = None
        if self.gradient_checkpointing and self.training:
            checkpointed: Tensor = self._gradient_checkpointing_func(layer.__call__, x)
            return checkpointed
        output: Tensor = layer(x, state)
        return output

    @torch.no_grad()
    def _read_on(
        self, x: Tensor, attention_mask: Tensor | None, memory: NasSearchCache, *, every: bool
    ) -> list[Tensor]:
        """Tokens after those that the memory knows."""
        if len(x) != memory.batch:
            raise ValueError(f"the cache is of {memory.batch} sequences, tokens of {len(x)} were given")
        check_only_tokens(attention_mask, x.shape[1])
        memory.columns += x.shape[1]
        columns = [self._read_token(token, memory, every=every) for token in x.unbind(1)]
        return [torch.stack(column, 1) for column in zip(*columns, strict=True)]

    def _read_token(self, x: Tensor, memory: NasSearchCache, *, every: bool) -> list[Tensor]:
        """One token [B, C] of each sequence."""
        if len(memory.groups) == 1:
            return self._step(x, memory.groups[0], every=every)
        streams = [torch.empty_like(x) for _ in range(len(self.layers) + 1 if every else 1)]
        for group in memory.groups:
            for stream, part in zip(streams, self._step(x[group.rows], group, every=every), strict=True):
                stream[group.rows] = part
        return streams

    def _step(self, x: Tensor, group: SequenceGroup, *, every: bool) -> list[Tensor]:
        layers = self._layers()
        cursor = group.next_cursor(layers, x)
        streams = [x]
        for layer, state in zip(layers, group.states, strict=True):
            x = layer.plain_step(x, state, cursor)
            streams = [*streams, x] if every else [x]
        group.index.add_(1)
        return streams

    def _layers(self) -> list[PlainLayer]:
        return [layer for layer in self.layers if isinstance(layer, PlainLayer)]


class NasSearchForCausalLM(NasSearchPreTrainedModel, GenerationMixin):
    """The network with its head."""

    _tied_weights_keys: ClassVar[dict[str, str]] = {"lm_head.weight": "model.embed_tokens.weight"}

    def __init__(self, config: NasSearchConfig) -> None:
        super().__init__(config)
        self.model = NasSearchModel(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        nn.init.normal_(self.lm_head.weight, std=WEIGHT_STD)
        self._made_without_weights = self.lm_head.weight.is_meta
        self.post_init()

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        *,
        past_key_values: NasSearchCache | None = None,
        cache: NasSearchCache | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        output_hidden_states: bool | None = None,
        logits_to_keep: int | Tensor = 0,
        return_dict: bool | None = None,
        **others: Any,
    ) -> CausalLMOutputWithPast | tuple[Any, ...]:
        """As :meth:`NasSearchModel.forward`, to logits [B, T, V] of the tokens that follow.

        ``logits_to_keep`` asks for those of the last tokens alone, or of these columns; 0 for all. ``labels`` [B, T]
        are shifted here, so they may be the tokens themselves; -100 does not count.
        """
        memory = past_key_values if cache is None else cache
        if labels is not None and memory is not None and memory.columns and torch.is_grad_enabled():
            raise ValueError("labels after a cache: no gradient goes through it; give the whole text, or use no_grad")
        found = self.model(
            input_ids,
            attention_mask,
            cache=memory,
            inputs_embeds=inputs_embeds,
            use_cache=use_cache,
            output_hidden_states=output_hidden_states,
            return_dict=True,
            **others,
        )
        columns = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        logits = self.lm_head(found.last_hidden_state[:, columns])
        loss = None
        if labels is not None:
            count = others.get("num_items_in_batch")
            loss = self.loss_function(logits, labels, self.config.vocab_size, num_items_in_batch=count)
        output = CausalLMOutputWithPast(
            loss=loss, logits=logits, hidden_states=found.hidden_states, **{CACHE: found.get(CACHE)}
        )
        return output if _wants_dict(self.config, return_dict) else output.to_tuple()

    @classmethod
    def _supports_default_dynamic_cache(cls) -> bool:
        """The first call makes a cache of our own."""
        return False


def _wants_dict(config: NasSearchConfig, return_dict: bool | None) -> bool:
    return bool(config.return_dict if return_dict is None else return_dict)


def _check_ignored(others: Mapping[str, Any]) -> None:
    """Raise ValueError for an argument that would change the result in other models."""
    for name, value in others.items():
        if name not in IGNORED and value is not None and value is not False:
            raise ValueError(f"{name} is not supported by this model")
