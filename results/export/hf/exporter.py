"""``hf``: a folder that transformers loads, with the modelling code in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nas_search.files import write_text_atomic
from nas_search.results.export.base import ExportSource
from nas_search.results.export.hf.card import model_card
from nas_search.results.export.hf.json_files import write_configuration, write_generation
from nas_search.results.export.hf.tokenizer_files import write_tokenizer
from nas_search.results.export.hf.travelling_code import (
    CONFIGURATION_MODULE,
    MODELING_MODULE,
    configuration_code,
    modeling_code,
)
from nas_search.results.export.mapping.weights_file import Named, write_weights
from nas_search.results.winner_files import CARD_FILE, WEIGHTS_FILE
from nas_search.space.architecture import Architecture
from nas_search.space.operators.registry import BUILT_IN

if TYPE_CHECKING:
    from nas_search.space.model import HybridLM

# Names of our parameters that are not ours with a prefix.
_NAMES = {"embedding": "model.embed_tokens.weight", "head": "lm_head.weight"}


class HuggingFaceExporter:
    """Every architecture made of the operators of this package."""

    name = "hf"
    about = "weights, tokenizer and modelling code for transformers 5, on machines without nas-search"

    def misfit(self, architecture: Architecture) -> str | None:
        """An operator of another package, whose code cannot come along."""
        for place, operator in enumerate(architecture.operators, 1):
            if type(operator) not in BUILT_IN:
                return f"operator {place} ({operator.notation}) is of another package, whose code does not come along"
        return None

    def write(self, source: ExportSource, folder: Path) -> None:
        """Write code, configuration, card, and what there is of weights and tokenizer."""
        architecture = source.architecture
        write_text_atomic(folder / f"{CONFIGURATION_MODULE}.py", configuration_code())
        write_text_atomic(folder / f"{MODELING_MODULE}.py", modeling_code(architecture))
        write_configuration(folder, architecture, source.dtype)
        write_generation(folder)
        write_text_atomic(folder / CARD_FILE, model_card(source))
        if source.tokenizer is not None:
            write_tokenizer(source.tokenizer, folder)
        if source.model is not None:
            named = _named_weights(source.model)
            write_weights(folder / WEIGHTS_FILE, named, named)


def _named_weights(model: HybridLM) -> list[Named]:
    return [(_NAMES.get(name, f"model.{name}"), weight) for name, weight in model.named_parameters()]
