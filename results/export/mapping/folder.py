"""Settings, weights, tokenizer and card of a network in a folder, as transformers reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from nas_search.files import write_text_atomic
from nas_search.results.export.base import ExportSource
from nas_search.results.export.hf.json_files import write_generation, write_json
from nas_search.results.export.hf.tokenizer_files import write_tokenizer
from nas_search.results.export.mapping.card import CardText, card
from nas_search.results.export.mapping.own_weights import OwnWeights
from nas_search.results.export.mapping.weights_file import Named, write_weights
from nas_search.results.winner_files import CARD_FILE, WEIGHTS_FILE
from nas_search.space.architecture import Architecture

Config = dict[str, Any]
Renaming = Callable[[OwnWeights], Iterable[Named]]

LARGEST_POSITION = 32_768
"""For programs that ask for one: the longest context that the paper measures. Our networks have no limit."""


def common_config(architecture: Architecture) -> Config:
    """What every model of transformers has. Our tokenizers have no special tokens."""
    return {
        "vocab_size": architecture.vocabulary,
        "hidden_size": architecture.width,
        "tie_word_embeddings": architecture.tied_head,
        "use_cache": True,
        "bos_token_id": None,
        "eos_token_id": None,
        "pad_token_id": None,
    }


def write_folder(source: ExportSource, folder: Path, config: Config, text: CardText) -> None:
    """Everything but the weights."""
    config = common_config(source.architecture) | config | {"dtype": source.dtype}
    write_json(folder / "config.json", config)
    write_generation(folder, use_cache=config["use_cache"])
    if source.tokenizer is not None:
        write_tokenizer(source.tokenizer, folder)
    write_text_atomic(folder / CARD_FILE, card(source, text))


def write_renamed(own: OwnWeights, folder: Path, renaming: Renaming) -> None:
    """The weights under the names that ``renaming`` gives them."""
    write_weights(folder / WEIGHTS_FILE, renaming(own.shapes()), renaming(own))
