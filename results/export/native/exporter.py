"""A format whose model class others have: its settings, and our weights under its names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nas_search.results.export.base import ExportSource
from nas_search.results.export.mapping.card import CardText
from nas_search.results.export.mapping.folder import LARGEST_POSITION, Config, Renaming, write_folder, write_renamed
from nas_search.results.export.mapping.misfit import Misfit
from nas_search.results.export.mapping.own_weights import OwnWeights
from nas_search.space.architecture import Architecture

_USE = """\
{needs} No remote code is needed.

```python
{program}
```
"""
_PROGRAM = """\
from transformers import AutoModelForCausalLM, AutoTokenizer
{also}
folder = "."  # where this file is
model = AutoModelForCausalLM.from_pretrained(folder)
tokenizer = AutoTokenizer.from_pretrained(folder)
tokens = tokenizer("import ", return_tensors="pt")
print(tokenizer.decode(model.generate(**tokens, max_new_tokens=200)[0]))"""
_PROGRAM_ON_TOKENS = """\
import torch
from transformers import AutoModelForCausalLM
{also}
folder = "."  # where this file is
model = AutoModelForCausalLM.from_pretrained(folder)
print(model.generate(torch.tensor([[1, 2, 3]]), max_new_tokens=200))"""
_PROGRAM_ON_SETTINGS = """\
from transformers import AutoConfig, AutoModelForCausalLM
{also}
folder = "."  # where this file is
model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder))"""
_EXACT = "The function is that of nas-search's network, formula by formula: only rounding differs."
_POSITIONS = (
    f"`max_position_embeddings` is {LARGEST_POSITION:,} for programs that ask for a number; the network has no limit."
)


@dataclass(frozen=True)
class NativeFormat:
    """A model class.

    ``config`` gives its settings, or raises Misfit: what can be expressed is decided there alone. ``weights`` names
    and reshapes the weights of an architecture that fits. ``remarks`` say what its class does in another way, ``needs``
    what has to be installed, ``also`` what has to be imported.
    """

    name: str
    about: str
    config: Callable[[Architecture], Config]
    weights: Renaming
    remarks: Sequence[str] = ()
    needs: str = "It needs torch and transformers 5."
    also: str = ""
    stream_scale: float = 1.0

    def misfit(self, architecture: Architecture) -> str | None:
        """What :attr:`config` has against an architecture."""
        try:
            self.config(architecture)
        except Misfit as reason:
            return str(reason)
        return None

    def write(self, source: ExportSource, folder: Path) -> None:
        """Write settings, card, and what there is of weights and tokenizer."""
        remarks = (_EXACT, *self.remarks, _POSITIONS)
        config = self.config(source.architecture) | {"max_position_embeddings": LARGEST_POSITION}
        write_folder(source, folder, config, CardText(self.name, self._use(source), remarks))
        if source.model is not None:
            write_renamed(OwnWeights.of(source.model).scaled(self.stream_scale), folder, self.weights)

    def _use(self, source: ExportSource) -> str:
        if source.model is None:
            program = _PROGRAM_ON_SETTINGS
        else:
            program = _PROGRAM_ON_TOKENS if source.tokenizer is None else _PROGRAM
        return _USE.format(needs=self.needs, program=program.format(also=self.also))
