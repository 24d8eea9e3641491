"""``nemotron-flash``: networks of DeltaNet, Mamba-2, attention and FFN as NVIDIA stores Nemotron-Flash."""

from __future__ import annotations

from pathlib import Path

from nas_search.results.export.base import ExportSource
from nas_search.results.export.mapping.card import CardText
from nas_search.results.export.mapping.folder import LARGEST_POSITION, write_folder, write_renamed
from nas_search.results.export.mapping.misfit import Misfit
from nas_search.results.export.mapping.own_weights import OwnWeights
from nas_search.results.export.nemotron_flash.config import LAYER_EPS, SOURCE, nemotron_flash_config
from nas_search.results.export.nemotron_flash.weights import RowNorms, nemotron_flash_weights, with_unit_rows
from nas_search.space.architecture import Architecture

_USE = f"""\
The network's code is NVIDIA's and not in this folder: `auto_map` in `config.json` points to
[{SOURCE}](https://huggingface.co/{SOURCE}), which has its own licence. It needs a CUDA GPU,
transformers up to 4.56.2, flash-attn, causal-conv1d, mamba-ssm and flash-linear-attention, as that repository says.

```python
from transformers import AutoModelForCausalLM

folder = "."  # where this file is
model = AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=True).cuda().bfloat16()
```

`model.generate` works without a cache there; `model.generate_with_cache` has one.
"""
_UNCHECKED = (
    "This folder was not loaded by NVIDIA's code when it was written: names, shapes and settings are checked against "
    "what is public of it, numbers are not. That `auto_map` may point to another repository is a feature of "
    "transformers; it was not tried with this one."
)
_NO_SPECIAL_TOKENS = (
    "`pad_token_id`, `bos_token_id` and `eos_token_id` are null: our tokenizers have none, and a padding token would "
    "have its row zeroed in a fresh network."
)
_POSITIONS = (
    f"Positions are rotary as published (`rope_type: default`), and `max_position_embeddings` is {LARGEST_POSITION:,}; "
    "the network has no limit."
)


class NemotronFlashExporter:
    """One width, one setting for each kind of operator."""

    name = "nemotron-flash"
    about = "NVIDIA's format of Nemotron-Flash; its code comes from NVIDIA's repository"

    def misfit(self, architecture: Architecture) -> str | None:
        """An operator or an option that the format has no field for."""
        try:
            nemotron_flash_config(architecture)
        except Misfit as reason:
            return str(reason)
        return None

    def write(self, source: ExportSource, folder: Path) -> None:
        """Write settings, card, and what there is of weights and tokenizer. Raises InputError for a zero row."""
        config = nemotron_flash_config(source.architecture)
        remarks = [_UNCHECKED]
        if source.model is not None:
            own = OwnWeights.of(source.model)
            norms = RowNorms.of(own.head())
            own = with_unit_rows(own, norms)
            config["rms_norm_eps"] = LAYER_EPS * own.scale**2
            remarks.append(_logits(norms))
            write_renamed(own, folder, nemotron_flash_weights)
        text = CardText(self.name, _USE, [*remarks, _NO_SPECIAL_TOKENS, _POSITIONS])
        write_folder(source, folder, config, text)


def _logits(norms: RowNorms) -> str:
    return (
        "NVIDIA's class divides each logit by the norm of its row in the head; nas-search's networks do not, nor does "
        "TensorRT-LLM. The head is scaled so that its rows have norm one on average, without a change to the "
        "function: programs that do not divide give our logits, but for rounding. NVIDIA's class gives each token's "
        "logit divided by its row's norm, which is exact only where all rows are equally long. Here norms are from "
        f"{norms.smallest:.3f} to {norms.largest:.3f}."
    )
