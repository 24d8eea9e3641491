"""The JSON files that transformers reads beside the weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nas_search import __version__
from nas_search.files import write_text_atomic
from nas_search.results.export.hf.travelling_code import CONFIGURATION_MODULE, MODELING_MODULE
from nas_search.space.architecture import Architecture

# As nas_search.load(...).generate_text: sampled from the whole vocabulary at this temperature.
TEMPERATURE = 0.8


def write_configuration(folder: Path, architecture: Architecture, dtype: str) -> None:
    """``config.json``: every operator with its options, sizes that follow from the width written out."""
    width = architecture.width
    fields = {
        "architectures": ["NasSearchForCausalLM"],
        "auto_map": {
            "AutoConfig": f"{CONFIGURATION_MODULE}.NasSearchConfig",
            "AutoModel": f"{MODELING_MODULE}.NasSearchModel",
            "AutoModelForCausalLM": f"{MODELING_MODULE}.NasSearchForCausalLM",
        },
        "model_type": "nas_search",
        "nas_search_version": __version__,
        "notation": architecture.notation,
        "dtype": dtype,
        "vocab_size": architecture.vocabulary,
        "hidden_size": width,
        "meta_tokens": architecture.meta_tokens,
        "tie_word_embeddings": architecture.tied_head,
        "use_cache": True,
        "layers": [
            {"operator": operator.code, **operator.resolved(width).model_dump()} for operator in architecture.operators
        ],
    }
    write_json(folder / "config.json", fields)


def write_generation(folder: Path, *, use_cache: bool = True) -> None:
    """``generation_config.json``: how this package generates, so that the same seed gives the same tokens."""
    write_json(
        folder / "generation_config.json",
        {"do_sample": True, "temperature": TEMPERATURE, "top_k": 0, "top_p": 1.0, "use_cache": use_cache},
    )


def write_json(path: Path, fields: dict[str, Any]) -> None:
    """An object, indented, as transformers writes its own."""
    write_text_atomic(path, json.dumps(fields, indent=2) + "\n")
