"""Names and shapes as flash-linear-attention 0.6 has them, and its logits where it is installed."""

import json
import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from nas_search.results.export.base import ExportSource
from nas_search.results.export.native.fla import FLA
from nas_search.space.architecture import Architecture
from nas_search.space.model import HybridLM

WIDTH, FFN = 64, 192
NETWORKS = ("w64 vocab=97 d f", "w64 vocab=97 untied gd[expand_v=2,head_dim=16,conv=3] f", "w64 vocab=97 gla f")
Shapes = dict[str, tuple[int, ...]]


def linear(*parts: str, rows: int = WIDTH) -> Shapes:
    return {f"{part}_proj.weight": (rows, WIDTH) for part in parts}


DELTANET = {
    **linear("q", "k", "v", "o"),
    **linear("b", rows=2),
    **{f"{part}_conv1d.weight": (WIDTH, 1, 4) for part in "qkv"},
    "o_norm.weight": (32,),
}
GATED_DELTANET = {
    **linear("q", "k"),
    **linear("v", "g", rows=128),
    **linear("a", "b", rows=4),
    "o_proj.weight": (WIDTH, 128),
    "q_conv1d.weight": (WIDTH, 1, 3),
    "k_conv1d.weight": (WIDTH, 1, 3),
    "v_conv1d.weight": (128, 1, 3),
    "A_log": (4,),
    "dt_bias": (4,),
    "o_norm.weight": (32,),
}
GLA = {
    **linear("q", "k", rows=32),
    **linear("v", "g", "o"),
    "gk_proj.0.weight": (16, WIDTH),
    "gk_proj.1.weight": (32, 16),
    "gk_proj.1.bias": (32,),
    "g_norm_swish_gate.weight": (32,),
}
ATTENTION = {**linear("q", "o"), **linear("k", "v", rows=32)}
CASES = [
    ("w64 vocab=97 d f a[heads=4,kv=2] f", "DeltaNetForCausalLM", (DELTANET, ATTENTION)),
    ("w64 vocab=97 (gd[expand_v=2,head_dim=16,conv=3] f)x2", "GatedDeltaNetForCausalLM", (GATED_DELTANET,) * 2),
    ("w64 vocab=97 swa[heads=4,kv=2] f gla f", "GLAForCausalLM", (ATTENTION, GLA)),
]


def export(notation: str, folder: Path) -> tuple[dict[str, Any], Shapes]:
    model = HybridLM(Architecture.parse(notation))
    FLA.write(ExportSource(architecture=model.architecture, origin="a test", model=model), folder)
    weights = load_file(folder / "model.safetensors")
    shapes = {name: tuple(weight.shape) for name, weight in weights.items()}
    return json.loads((folder / "config.json").read_text()), shapes


@pytest.mark.parametrize(("notation", "class_name", "mixers"), CASES)
def test_names_and_shapes(notation: str, class_name: str, mixers: tuple[Shapes, ...], tmp_path: Path) -> None:
    config, found = export(notation, tmp_path)
    expected: Shapes = {"model.embeddings.weight": (97, WIDTH), "model.norm.weight": (WIDTH,)}
    for index, mixer in enumerate(mixers):
        layer = {f"attn.{name}": shape for name, shape in mixer.items()}
        layer |= {f"{part}_norm.weight": (WIDTH,) for part in ("attn", "mlp")}
        layer |= {f"mlp.{part}_proj.weight": (FFN, WIDTH) for part in ("gate", "up")}
        layer |= {"mlp.down_proj.weight": (WIDTH, FFN)}
        expected |= {f"model.layers.{index}.{name}": shape for name, shape in layer.items()}
    assert found == expected
    assert config["architectures"] == [class_name]
    assert (config["num_hidden_layers"], config["intermediate_size"]) == (2, FFN)


def test_settings_of_attention_between_linear_layers(tmp_path: Path) -> None:
    """One entry for layers that are alike, as older releases know it; else one for each kind."""
    config, _ = export("w64 d f (a[rope_theta=500000] f)x2", tmp_path)
    expected = {"num_heads": 2, "num_kv_heads": 1, "qkv_bias": False, "window_size": None, "rope_theta": 500000.0}
    assert config["attn"] == {"layers": [1, 2], **expected}
    (tmp_path / "other").mkdir()
    config, _ = export("w64 a f d f swa[window=9] f a f", tmp_path / "other")
    assert [(each["layers"], each["window_size"]) for each in config["attn"]] == [([0, 3], None), ([2], 9)]


def _is_installed() -> bool:
    try:
        return bool(version("flash-linear-attention"))
    except PackageNotFoundError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(not _is_installed(), reason="needs flash-linear-attention")
def test_logits_are_ours() -> None:
    program = Path(__file__).with_name("fla_interpreted.py")
    output = subprocess.run(
        [sys.executable, program, *NETWORKS],
        env=os.environ | {"TRITON_INTERPRET": "1"},
        check=True,
        capture_output=True,
        text=True,
        timeout=500,
    ).stdout
    differences = [json.loads(line) for line in output.splitlines() if not line.startswith("[")]
    assert len(differences) == len(NETWORKS)
    assert max(differences) <= 1e-5
