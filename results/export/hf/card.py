"""The README of an exported folder: what the network is, its confirmed figures, how to load it."""

from __future__ import annotations

from nas_search.results.export.base import ExportSource
from nas_search.results.export.card_parts import common_parts

_CARD = """\
---
library_name: transformers
pipeline_tag: text-generation
tags:
- nas-search
---

# {notation}

A hybrid language model of {parameters} parameters: {operators}. From {origin}, written by nas-search {version}.
{figures}{notes}
## Use

It needs torch and transformers 5, nothing else. `trust_remote_code` is about `configuration_nas_search.py` and
`modeling_nas_search.py` in this folder.

```python
{use}
```

{tokens}\
Batches may be padded if they come with an attention mask: padding is left out, so a sequence gives the same alone and
in a batch. Beam search, gradient checkpointing and half precision work; assisted generation does not, since recurrent
layers cannot go back.

## Code

The modelling code is generated from what nas-search runs, under the Apache License 2.0. It is plain PyTorch: kernels
for particular devices did not come along, so it can be slower than what nas-search measures.
"""
_LOAD = """\
from transformers import AutoModelForCausalLM{and_tokenizer}

folder = "."  # where this file is
model = AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=True)
{generate}"""
_MAKE = """\
from transformers import AutoConfig, AutoModelForCausalLM

folder = "."  # where this file is; there are no weights in it, so these are fresh
config = AutoConfig.from_pretrained(folder, trust_remote_code=True)
model = AutoModelForCausalLM.from_config(config, trust_remote_code=True)"""
_GENERATE_TEXT = """\
tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=True)
tokens = tokenizer("import ", return_tensors="pt")
print(tokenizer.decode(model.generate(**tokens, max_new_tokens=200)[0]))"""
_GENERATE_TOKENS = """\
tokens = torch.tensor([[1, 2, 3]])  # these tokens have no text: there is no tokenizer
print(model.generate(tokens, max_new_tokens=200))"""
_BYTES = """\
Its tokens are the bytes of UTF-8, numbered by their values. There is no padding token: pad with any byte and give the
mask.

"""


def model_card(source: ExportSource) -> str:
    """Markdown; figures are those of the source, word for word."""
    tokens = _BYTES if source.tokenizer_name == "bytes" else ""
    return _CARD.format(**common_parts(source), use=_use(source), tokens=tokens)


def _use(source: ExportSource) -> str:
    if source.model is None:
        return _MAKE
    if source.tokenizer is None:
        return "import torch\n" + _LOAD.format(and_tokenizer="", generate=_GENERATE_TOKENS)
    return _LOAD.format(and_tokenizer=", AutoTokenizer", generate=_GENERATE_TEXT)
