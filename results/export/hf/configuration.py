"""What a network of nas-search is made of, as a configuration of transformers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from transformers import PretrainedConfig


class NasSearchConfig(PretrainedConfig):
    """Width, operators in order, vocabulary, meta tokens, and whether the head shares the embedding.

    ``layers`` has an entry for each operator: its code under ``operator``, and its options. What an option leaves out
    follows from the width.
    """

    model_type = "nas_search"
    keys_to_ignore_at_inference = ("cache", "past_key_values")

    def __init__(
        self,
        *,
        vocab_size: int = 256,
        hidden_size: int = 64,
        layers: Sequence[Mapping[str, Any]] = (),
        meta_tokens: int = 0,
        tie_word_embeddings: bool = True,
        use_cache: bool = True,
        **kwargs: Any,
    ) -> None:
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.layers = [dict(layer) for layer in layers]
        self.meta_tokens = meta_tokens
        self.use_cache = use_cache
        super().__init__(tie_word_embeddings=tie_word_embeddings, **kwargs)

    @property
    def num_hidden_layers(self) -> int:
        """Operators, token mixers and FFNs alike."""
        return len(self.layers)
