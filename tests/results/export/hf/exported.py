"""A network with weights that no initialisation would give, exported and loaded again."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

from nas_search.proxies.tokenizer import ByteTokenizer
from nas_search.results.export.base import ExportSource
from nas_search.results.export.hf.exporter import HuggingFaceExporter
from nas_search.space.architecture import Architecture
from nas_search.space.model import HybridLM


@dataclass(frozen=True)
class Pair:
    folder: Path
    ours: HybridLM

    @cached_property
    def theirs(self) -> Any:
        return self.load()

    def load(self, **options: Any) -> Any:
        return AutoModelForCausalLM.from_pretrained(self.folder, trust_remote_code=True, **options)


def network(notation: str) -> HybridLM:
    """Every weight is moved, so that one in the wrong place shows."""
    model = HybridLM(Architecture.parse(notation), seed=1)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn(weight.shape, generator=generator), alpha=0.03)
    return model.eval()


def export(notation: str, folder: Path, **fields: Any) -> Pair:
    model = network(notation)
    source = ExportSource(
        model.architecture, "a notation", model, tokenizer=ByteTokenizer(), tokenizer_name="bytes"
    )  # fmt: skip
    HuggingFaceExporter().write(
        source if not fields else ExportSource(model.architecture, "a notation", **fields), folder
    )
    return Pair(folder, model)


def tokens(batch: int, length: int, seed: int = 0) -> Tensor:
    return torch.randint(256, (batch, length), generator=torch.Generator().manual_seed(seed))
