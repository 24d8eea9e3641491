"""The README and the configuration of an exported folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nas_search import __version__
from nas_search.results.export.base import ExportSource
from nas_search.results.export.card_parts import common_parts
from nas_search.results.export.onnx.graphs import (
    PREFILL_FILE,
    STEP_FILE,
    Port,
    Signature,
    prefill_signature,
    step_signature,
)
from nas_search.results.export.onnx.tracing import OPSET
from nas_search.results.winner_files import WEIGHTS_FILE

if TYPE_CHECKING:
    from nas_search.space.model import HybridLM

_CARD = """\
# {notation}

A hybrid language model of {parameters} parameters: {operators}. From {origin}, written by nas-search {version}.
{figures}{notes}
## Files

- `{prefill}`: tokens to logits of the next token and the states of all layers;
- `{step}`: one more token;
- `{weights}`: the weights in float32, which both graphs read: keep the three in one folder;
- `config.json`: sizes, and names, types and shapes of all inputs and outputs, in their order.

Operators are those of ONNX opset {opset}, in functions of the model's own, one for each kind of layer.

When this was written, logits of onnxruntime {onnxruntime} on a CPU differed from those of nas-search by
{difference:.0e} of the largest one, over a short random text.

## Use

It needs {needs}.

```python
{use}
```

## Inputs and outputs

| `{prefill}` | | |
|---|---|---|
{prefill_ports}

| `{step}` | | |
|---|---|---|
{step_ports}

Sizes with a name may differ from call to call: `batch` sequences of `tokens` tokens each, at least one. `position` is
how many tokens were read before this one, the same for all sequences{meta}. What comes out as `present` goes in as
`past` with the next token, in the same order.
{caches}
Batches cannot be padded. Recurrent layers read a prompt token by token, where nas-search itself reads it in chunks.
"""
_META = "\n(without the {meta} learned vectors that stand before every text)"
_CACHES = """
`cache` holds keys and values. That of full attention grows by a token with each step, without an upper limit; that of a
window has a fixed size. `memory` and `inputs` are the state of recurrent layers and the last inputs of convolutions.
"""
_USE = """\
import numpy as np
from onnxruntime import InferenceSession
{tokenizer}
prefill, step = InferenceSession("{prefill}"), InferenceSession("{step}")
names = [port.name for port in step.get_inputs()]

{prompt}
logits, *states = prefill.run(None, {{"tokens": tokens}})
for _ in range(50):
    chosen = logits.argmax(-1)  # the likeliest token of each sequence
    inputs = (chosen, np.array([tokens.shape[1]]), *states)
    logits, *states = step.run(None, dict(zip(names, inputs)))
    tokens = np.concatenate((tokens, chosen[:, None]), 1)
print({printed})"""


def model_card(source: ExportSource, network: HybridLM, difference: float) -> str:
    """Markdown; figures are those of the source, word for word."""
    from onnxruntime import __version__ as onnxruntime

    architecture = source.architecture
    has_state = len(step_signature(network).inputs) > 2
    return _CARD.format(
        **common_parts(source),
        prefill=PREFILL_FILE,
        step=STEP_FILE,
        weights=WEIGHTS_FILE,
        opset=OPSET,
        onnxruntime=onnxruntime,
        difference=difference,
        needs="onnxruntime and numpy" if source.tokenizer is None else "onnxruntime, numpy and tokenizers",
        use=_use(source),
        prefill_ports=_table(prefill_signature(network)),
        step_ports=_table(step_signature(network)),
        meta=_META.format(meta=architecture.meta_tokens) if architecture.meta_tokens else "",
        caches=_CACHES if has_state else "",
    )


def configuration(source: ExportSource, network: HybridLM, difference: float) -> dict[str, Any]:
    """What is in the folder, for programs."""
    architecture = source.architecture
    return {
        "model_type": "nas_search_onnx",
        "nas_search_version": __version__,
        "notation": architecture.notation,
        "vocab_size": architecture.vocabulary,
        "hidden_size": architecture.width,
        "meta_tokens": architecture.meta_tokens,
        "tokenizer": source.tokenizer_name,
        "opset": OPSET,
        "weights": WEIGHTS_FILE,
        "largest_difference": float(f"{difference:.0e}"),
        "prefill": {"file": PREFILL_FILE, **_ports(prefill_signature(network))},
        "step": {"file": STEP_FILE, **_ports(step_signature(network))},
    }


def _use(source: ExportSource) -> str:
    if source.tokenizer is None:
        tokenizer, prompt = "", "tokens = np.array([[1, 2, 3]])  # these tokens have no text: there is no tokenizer"
    else:
        tokenizer = 'from tokenizers import Tokenizer\n\ntokenizer = Tokenizer.from_file("tokenizer.json")'
        prompt = 'tokens = np.array([tokenizer.encode("import ").ids])'
    printed = "tokens" if source.tokenizer is None else "tokenizer.decode(tokens[0])"
    return _USE.format(prefill=PREFILL_FILE, step=STEP_FILE, tokenizer=tokenizer, prompt=prompt, printed=printed)


def _ports(signature: Signature) -> dict[str, Any]:
    return {way: [port._asdict() for port in ports] for way, ports in signature._asdict().items()}


def _table(signature: Signature) -> str:
    rows = [("in", port) for port in signature.inputs] + [("out", port) for port in signature.outputs]
    return "\n".join(f"| {way} | `{port.name}` | {_shape(port)} |" for way, port in rows)


def _shape(port: Port) -> str:
    return f"{port.type} [{', '.join(map(str, port.shape))}]"
