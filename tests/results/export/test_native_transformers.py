"""Exports that transformers loads with classes of its own: the same logits, the same greedy continuation."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from trained_like import trained_like

from nas_search.proxies.tokenizer import ByteTokenizer
from nas_search.results.export.base import ExportSource
from nas_search.results.export.native.exporter import NativeFormat
from nas_search.results.export.native.formats import NATIVE
from nas_search.space.architecture import Architecture
from nas_search.space.model import HybridLM

with pytest.MonkeyPatch.context() as patch:
    # Where these can be imported, transformers swaps its own functions for their kernels, which need a GPU.
    for kernels in ("fla", "mamba_ssm", "causal_conv1d"):
        patch.setitem(sys.modules, kernels, None)
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
    from transformers.models.granitemoehybrid import modeling_granitemoehybrid as _granite  # noqa: F401
    from transformers.models.mamba import modeling_mamba as _mamba  # noqa: F401
    from transformers.models.mamba2 import modeling_mamba2 as _mamba2  # noqa: F401
    from transformers.models.nemotron_h import modeling_nemotron_h as _nemotron_h  # noqa: F401
    from transformers.models.qwen3_next import modeling_qwen3_next as _qwen3_next  # noqa: F401

FORMATS = {each.name: each for each in NATIVE}
PROMPT, NEW = 21, 12
# Heads twice as large as they would have to be, windows shorter than the prompt, no option at its default.
NETWORKS = [
    ("llama", "w64 vocab=97 (a f)x2"),
    ("llama", "w64 vocab=97 untied (a[heads=4,kv=2,head_dim=32,rope_theta=500000] f[hidden=100])x2"),
    ("mistral", "w64 vocab=97 (swa[window=5,heads=4,kv=2] f)x2"),
    ("ministral", "w64 vocab=97 a[heads=4] f swa[window=5,heads=4] f"),
    ("qwen2", "w64 vocab=97 a[heads=4,kv=2,qkv_bias=yes] f swa[window=7,heads=4,kv=2,qkv_bias=yes] f"),
    ("qwen3", "w64 vocab=97 (a[heads=4,kv=2,head_dim=32,rope_theta=1000000,qk_norm=yes] f[hidden=192])x2"),
    ("qwen3", "w64 vocab=97 untied a[qk_norm=yes] f swa[window=7,qk_norm=yes] f"),
    ("mamba", "w64 vocab=97 m m"),
    ("mamba", "w64 vocab=97 untied (m[state=5,dt_rank=7,expand=3,conv=3])x2"),
    ("mamba2", "w64 vocab=97 m2 m2"),
    ("mamba2", "w64 vocab=97 untied (m2[groups=2,state=24,expand=3,conv=3,head_dim=16])x2"),
    ("nemotron_h", "w64 vocab=97 m2 m2"),
    ("nemotron_h", "w64 vocab=97 untied (m2[groups=2,state=24,expand=3,conv=3,head_dim=16])x2"),
    ("granitemoehybrid", "w64 vocab=97 m2 f a[heads=4,kv=2] f m2 f"),
    ("granitemoehybrid", "w64 vocab=97 untied (m2[groups=2,state=24,conv=3] f)x2"),
    ("granitemoehybrid", "w64 vocab=97 (a f)x2"),
    ("qwen3_next", "w64 vocab=97 gd f a[heads=4,kv=2,head_dim=32,qk_norm=yes,rope_theta=100000] f gd f"),
    ("qwen3_next", "w64 vocab=97 untied (gd[expand_v=2,head_dim=16,conv=3] f)x2"),
]  # fmt: skip
every_network = pytest.mark.parametrize(("name", "notation"), NETWORKS)


def export(native: NativeFormat, model: HybridLM, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    native.write(ExportSource(architecture=model.architecture, origin="a test", model=model), folder)


def tokens_of(length: int) -> Tensor:
    return torch.randint(97, (2, length), generator=torch.Generator().manual_seed(length))


@every_network
def test_loads_with_the_same_logits(name: str, notation: str, tmp_path: Path) -> None:
    ours = trained_like(notation)
    export(FORMATS[name], ours, tmp_path)
    theirs, loading = AutoModelForCausalLM.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(loading.values()), loading
    assert theirs.config.model_type == name
    tokens = tokens_of(PROMPT)
    with torch.no_grad():
        expected, found = ours(tokens), theirs(tokens, use_cache=False).logits
    assert expected.std() > 0.01
    assert close(found, expected)


@every_network
def test_continues_with_the_same_tokens(name: str, notation: str, tmp_path: Path) -> None:
    """Greedily, on their cache, where they have one, and on our state."""
    ours = trained_like(notation)
    export(FORMATS[name], ours, tmp_path)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path)
    prompt = tokens_of(PROMPT)
    options = {"do_sample": False, "output_logits": True, "return_dict_in_generate": True}
    found = theirs.generate(prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=NEW, **options)
    state = ours.new_state(len(prompt), PROMPT + NEW)
    with torch.inference_mode():
        logits = [ours.prefill(prompt, state)]
        for token in found.sequences[:, PROMPT:-1].unbind(1):
            logits.append(ours.step(token, state))
    assert close(torch.stack(found.logits), torch.stack(logits))
    assert torch.equal(found.sequences, ours.generate(prompt, NEW, temperature=0))


@pytest.mark.parametrize("name", list(dict.fromkeys(name for name, _ in NETWORKS)))
def test_without_weights_it_makes_a_network_of_as_many_parameters(name: str, tmp_path: Path) -> None:
    architecture = Architecture.parse(next(notation for other, notation in NETWORKS if other == name))
    FORMATS[name].write(ExportSource(architecture=architecture, origin="a test"), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["README.md", "config.json", "generation_config.json"]
    config = AutoConfig.from_pretrained(tmp_path)
    parameters = AutoModelForCausalLM.from_config(config).num_parameters()
    added = {"nemotron_h": architecture.vocabulary * architecture.width, "qwen3_next": 4 * 32 * 64}  # head, gate
    assert parameters == architecture.parameters + added.get(name, 0)


def test_the_tokenizer_of_bytes_travels(tmp_path: Path) -> None:
    model = HybridLM(Architecture.parse("w64 a f"))
    source = ExportSource(
        architecture=model.architecture, origin="a test", model=model, tokenizer=ByteTokenizer(), tokenizer_name="bytes"
    )
    FORMATS["llama"].write(source, tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    text = "def f(x):\n    return 'né ✓'"
    assert tokenizer(text)["input_ids"] == list(text.encode())
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    assert "no tokenizer" not in (tmp_path / "README.md").read_text()


@pytest.mark.parametrize("name", list(FORMATS))
def test_half_precision_stays(name: str, tmp_path: Path) -> None:
    notation = next((notation for other, notation in NETWORKS if other == name), "w64 vocab=97 d f a f")
    export(FORMATS[name], trained_like(notation).bfloat16(), tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["dtype"] == "bfloat16"
    assert {weight.dtype for weight in load_file(tmp_path / "model.safetensors").values()} == {torch.bfloat16}


def test_one_eps_is_exact_where_it_counts(tmp_path: Path) -> None:
    """Without the larger stream the same settings are far off, so the tests above would notice."""
    ours = trained_like("w64 vocab=97 m2 m2")
    export(replace(FORMATS["mamba2"], stream_scale=1.0), ours, tmp_path)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path)
    with torch.no_grad():
        tokens = tokens_of(PROMPT)
        assert not close(theirs(tokens, use_cache=False).logits, ours(tokens), 1e-2)


def close(found: Tensor, expected: Tensor, bound: float = 1e-5) -> bool:
    """Within the bound, of the largest logit if that is above one."""
    return bool((found - expected).abs().max() <= bound * expected.abs().max().clamp(min=1))
