"""NVIDIA's format, key by key, and the network in it as anybody would build it from these keys."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional
from trained_like import trained_like

from nas_search.errors import InputError
from nas_search.results.export.base import ExportSource
from nas_search.results.export.mapping.own_weights import OwnWeights
from nas_search.results.export.nemotron_flash.config import ffn_ratio, nemotron_flash_config
from nas_search.results.export.nemotron_flash.exporter import NemotronFlashExporter
from nas_search.results.export.nemotron_flash.weights import nemotron_flash_weights
from nas_search.space.architecture import Architecture
from nas_search.space.model import HybridLM
from nas_search.space.zoo import resolve_architecture

EXPORTER = NemotronFlashExporter()
LAYERS_1B = ["deltanet", "f", "m2", "f", "a", "f", "m2", "f"] * 2 + ["deltanet", "f", "m2", "f"] * 2
SMALL = "w128 vocab=97 meta=5 d f m2 f a[rope_theta=100000] f m2 f"
NETWORKS = [
    SMALL,
    "w128 vocab=97 untied meta=3 a[heads=8,kv=2,qk_norm=yes] d[head_dim=16] f[hidden=256] m2[state=24,conv=3]",
    "w128 vocab=97 untied m2 m2",
]


def keys_of_the_1b() -> dict[str, list[int]]:
    """The released model's names and shapes: width 2048, 16 heads, 4 for keys and values, FFN 6144, 64 heads of m2."""
    width, ffn, inner, state, heads = 2048, 6144, 4096, 128, 64
    per_operator = {
        "deltanet": {
            "input_layernorm.weight": [width],
            **{f"gla.{part}_proj.weight": [width, width] for part in "qkvo"},
            "gla.b_proj.weight": [16, width],
            **{f"gla.{part}_conv1d.weight": [width, 1, 4] for part in "qkv"},
            "gla.o_norm.weight": [128],
        },
        "m2": {
            "input_layernorm.weight": [width],
            "mamba.in_proj.weight": [8512, width],
            "mamba.conv1d.weight": [inner + 2 * state, 1, 4],
            "mamba.conv1d.bias": [4352],
            **{f"mamba.{name}": [heads] for name in ("dt_bias", "A_log", "D")},
            "mamba.norm.weight": [inner],
            "mamba.out_proj.weight": [width, inner],
        },
        "a": {
            "input_layernorm.weight": [width],
            **{f"self_attn.{part}_proj.weight": [width, width] for part in "qo"},
            **{f"self_attn.{part}_proj.weight": [512, width] for part in "kv"},
        },
        "f": {
            "pre_ffn_layernorm.weight": [width],
            **{f"ffn.{part}_proj.weight": [ffn, width] for part in ("gate", "up")},
            "ffn.down_proj.weight": [width, ffn],
        },
    }
    keys = {
        "model.embed_tokens.weight": [131072, width],
        "model.memory_tokens": [256, width],
        "model.final_layernorm.weight": [width],
    }
    for index, code in enumerate(LAYERS_1B):
        keys |= {f"model.layers.{index}.{name}": shape for name, shape in per_operator[code].items()}
    return keys


def test_keys_and_shapes_of_the_1b() -> None:
    """Without its memory: a network on the meta device has shapes alone."""
    with torch.device("meta"):
        model = HybridLM(resolve_architecture("nemotron-flash-1b"))
    found = {name: list(tensor.shape) for name, tensor in nemotron_flash_weights(OwnWeights.of(model))}
    assert found == keys_of_the_1b()
    assert sum(torch.Size(shape).numel() for shape in found.values()) == 965_389_440


def test_settings_of_the_1b() -> None:
    config = nemotron_flash_config(resolve_architecture("nemotron-flash-1b"))
    expected = {
        "model_type": "nemotron_flash",
        "architectures": ["NemotronFlashForCausalLM"],
        "num_hidden_layers": 24,
        "layer_types": LAYERS_1B,
        "num_attention_heads": 16,
        "num_key_value_heads": 4,
        "num_memory_tokens": 256,
        "intermediate_size": 0,
        "ffn_expand_ratio": 3,
        "kq_norm": "none",
        "rope": True,
        "sliding_window": None,
        "mamba_d_state": 128,
        "mamba_d_conv": 4,
        "mamba_expand": 2,
        "mamba2_headdim": 64,
    }
    assert {name: config[name] for name in expected} == expected
    assert all(value.startswith("nvidia/Nemotron-Flash-1B--") for value in config["auto_map"].values())


@pytest.mark.parametrize("zoo", ["nemotron-flash-1b", "nemotron-flash-3b"])
def test_the_published_networks_fit(zoo: str) -> None:
    assert EXPORTER.misfit(resolve_architecture(zoo)) is None


@pytest.mark.parametrize("width", range(256, 2817, 256))
def test_their_rounding_gives_the_ffn_back(width: int) -> None:
    for hidden in range(128, 4 * width + 1, 128):
        assert int(ffn_ratio(hidden, width) * width) // 128 * 128 == hidden


def export(model: HybridLM, folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    EXPORTER.write(ExportSource(architecture=model.architecture, origin="a test", model=model), folder)
    return json.loads((folder / "config.json").read_text()), load_file(folder / "model.safetensors")


@pytest.mark.parametrize("notation", NETWORKS)
def test_the_network_in_the_folder_is_ours(notation: str, tmp_path: Path) -> None:
    ours = trained_like(notation)
    tokens = torch.randint(97, (2, 19), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected, found = ours(tokens), published_network(*export(ours, tmp_path), tokens)
    assert expected.std() > 0.01
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max().clamp(min=1)


@pytest.mark.parametrize("notation", [SMALL, NETWORKS[1]])
def test_divided_logits_are_ours_where_rows_are_equally_long(notation: str, tmp_path: Path) -> None:
    ours = trained_like(notation)
    head = ours.embedding if ours.head is None else ours.head
    head.copy_(3 * functional.normalize(head, dim=1))
    config, weights = export(ours, tmp_path)
    tokens = torch.randint(97, (2, 19), generator=torch.Generator().manual_seed(1))
    stored = weights.get("lm_head.weight", weights["model.embed_tokens.weight"])
    with torch.no_grad():
        expected, found = ours(tokens), published_network(config, weights, tokens) / stored.norm(dim=1)
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max().clamp(min=1)
    assert "from 1.000 to 1.000" in (tmp_path / "README.md").read_text()


def test_a_row_of_zeros_is_refused(tmp_path: Path) -> None:
    ours = trained_like(SMALL)
    ours.embedding[7].zero_()
    with pytest.raises(InputError, match="token 7 has a row of zeros"):
        export(ours, tmp_path)
    assert not list(tmp_path.iterdir())


def test_without_weights_there_are_settings_and_a_card(tmp_path: Path) -> None:
    EXPORTER.write(ExportSource(architecture=Architecture.parse(SMALL), origin="a test"), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["README.md", "config.json", "generation_config.json"]


@pytest.mark.parametrize(
    ("notation", "reason"),
    [
        ("w256 gd f", "operator 1 \\(gd\\).*no layer for Gated DeltaNet"),
        ("w256 a f swa f", "operator 3 \\(swa\\).*no layer for Sliding-window attention"),
        ("w256 a f a[heads=4] f", "operator 3 \\(a\\[heads=4\\]\\) differs from operator 1 \\(a\\)"),
        ("w256 a[heads=4] d[head_dim=32]", "operator 2 \\(d\\[head_dim=32\\]\\) has 8 heads.*has 4"),
        ("w256 d[conv=3]", "operator 1 \\(d\\[conv=3\\]\\): DeltaNet in Nemotron-Flash has conv=4"),
        ("w256 a[qkv_bias=yes]", "no biases"),
        ("w256 a[heads=4,head_dim=32]", "fill the width; these are 128 wide"),
        ("w256 f[hidden=192]", "operator 1 .*hidden=192 is no multiple of 128"),
        ("w256 f f[ratio=4]", "operator 2 .*differs from operator 1"),
        ("w64 m2", "operator 1 \\(m2\\): 4 heads at width 64.*multiple of 8"),
        ("w256 m2[groups=2]", "groups=1"),
        ("w256 m2 m2[state=16]", "operator 2 .*differs from operator 1"),
    ],
)
def test_what_cannot_be_said(notation: str, reason: str) -> None:
    misfit = EXPORTER.misfit(Architecture.parse(notation))
    assert misfit is not None
    assert re.search(reason, misfit), misfit


def published_network(config: dict[str, Any], weights: dict[str, Tensor], tokens: Tensor) -> Tensor:
    """Logits before they are divided, in plain steps: all that is known of the network is what the folder says."""
    x = weights["model.embed_tokens.weight"][tokens]
    meta = config["num_memory_tokens"]
    if meta:
        x = torch.cat((weights["model.memory_tokens"].expand(len(x), -1, -1), x), 1)
    mixers = {"deltanet": ("gla", deltanet), "m2": ("mamba", mamba2), "a": ("self_attn", attention), "f": ("ffn", ffn)}
    for index, code in enumerate(config["layer_types"]):
        name, mixer = mixers[code]
        start = f"model.layers.{index}."
        own = {key.removeprefix(start): value for key, value in weights.items() if key.startswith(start)}
        gain = own["pre_ffn_layernorm.weight" if code == "f" else "input_layernorm.weight"]
        normed = rms_norm(x, gain, config["rms_norm_eps"])
        x = x + mixer(config, {key.removeprefix(f"{name}."): value for key, value in own.items()}, normed)
    x = rms_norm(x[:, meta:], weights["model.final_layernorm.weight"], config["rms_norm_eps"])
    return x @ weights.get("lm_head.weight", weights["model.embed_tokens.weight"]).T


def rms_norm(x: Tensor, gain: Tensor, eps: float) -> Tensor:
    return gain * x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps)


def convolved(x: Tensor, own: dict[str, Tensor], name: str) -> Tensor:
    taps = own[f"{name}.weight"]
    y = functional.conv1d(x.mT, taps, own.get(f"{name}.bias"), padding=taps.shape[-1] - 1, groups=len(taps))
    return functional.silu(y[..., : x.shape[1]].mT)


def deltanet(config: dict[str, Any], own: dict[str, Tensor], x: Tensor) -> Tensor:
    heads = config["num_attention_heads"]
    q, k, v = (convolved(x @ own[f"{part}_proj.weight"].T, own, f"{part}_conv1d") for part in "qkv")
    q, k, v = (torch.unflatten(part, -1, (heads, -1)) for part in (q, k, v))
    q, k = (part * torch.rsqrt(part.square().sum(-1, keepdim=True) + 1e-6) for part in (q, k))
    beta = (x @ own["b_proj.weight"].T).sigmoid()
    state = x.new_zeros(len(x), heads, k.shape[-1], v.shape[-1])
    outputs = []
    for t in range(x.shape[1]):
        correction = beta[:, t, :, None] * (v[:, t] - torch.einsum("bhk,bhkv->bhv", k[:, t], state))
        state = state + k[:, t].unsqueeze(-1) * correction.unsqueeze(-2)
        outputs.append(torch.einsum("bhk,bhkv->bhv", q[:, t] * k.shape[-1] ** -0.5, state))
    return rms_norm(torch.stack(outputs, 1), own["o_norm.weight"], 1e-5).flatten(2) @ own["o_proj.weight"].T


def mamba2(config: dict[str, Any], own: dict[str, Tensor], x: Tensor) -> Tensor:
    inner, size, n = config["mamba_expand"] * x.shape[-1], config["mamba2_headdim"], config["mamba_d_state"]
    z, xbc, dt = (x @ own["in_proj.weight"].T).split_with_sizes([inner, inner + 2 * n, inner // size], -1)
    u, b, c = convolved(xbc, own, "conv1d").split_with_sizes([inner, n, n], -1)
    u, dt = torch.unflatten(u, -1, (-1, size)), functional.softplus(dt + own["dt_bias"])
    state = x.new_zeros(len(x), inner // size, size, n)
    outputs = []
    for t in range(x.shape[1]):
        decay = torch.exp(-dt[:, t] * own["A_log"].exp())[..., None, None]
        state = decay * state + torch.einsum("bh,bhp,bn->bhpn", dt[:, t], u[:, t], b[:, t])
        outputs.append(torch.einsum("bhpn,bn->bhp", state, c[:, t]) + own["D"][:, None] * u[:, t])
    gated = torch.stack(outputs, 1).flatten(2) * functional.silu(z)
    return rms_norm(gated, own["norm.weight"], 1e-5) @ own["out_proj.weight"].T


def attention(config: dict[str, Any], own: dict[str, Tensor], x: Tensor) -> Tensor:
    size = x.shape[-1] // config["num_attention_heads"]
    q, k, v = (torch.unflatten(x @ own[f"{part}_proj.weight"].T, -1, (-1, size)).transpose(1, 2) for part in "qkv")
    if config["kq_norm"] == "rms":
        q, k = rms_norm(q, own["q_norm.weight"], 1e-6), rms_norm(k, own["k_norm.weight"], 1e-6)
    rates = config["rope_theta"] ** (-torch.arange(0, size, 2) / size)
    angles = torch.outer(torch.arange(x.shape[1]), rates).repeat(1, 2)
    q, k = (angles.cos() * part + angles.sin() * half_turned(part) for part in (q, k))
    mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
    return mixed.transpose(1, 2).flatten(2) @ own["o_proj.weight"].T


def half_turned(x: Tensor) -> Tensor:
    first, second = x.chunk(2, -1)
    return torch.cat((-second, first), -1)


def ffn(config: dict[str, Any], own: dict[str, Tensor], x: Tensor) -> Tensor:
    hidden = int(config["ffn_expand_ratio"] * config["hidden_size"]) // 128 * 128
    assert own["gate_proj.weight"].shape == (hidden, config["hidden_size"])
    gated = functional.silu(x @ own["gate_proj.weight"].T) * (x @ own["up_proj.weight"].T)
    return gated @ own["down_proj.weight"].T
