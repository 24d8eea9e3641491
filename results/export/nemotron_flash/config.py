"""``config.json`` of a Nemotron-Flash, and what it cannot say.

Fields and defaults are those of NVIDIA's public configuration class. Whatever has a default there that would be wrong,
or that raises, is written out. The formulas are ours, field by field: DeltaNet with ``silu`` on convolutions of 4
tokens, normalised queries and keys, beta from a sigmoid, a norm of eps 1e-5 on each head; Mamba-2 with its gate before
the norm, of eps 1e-5; rotary positions over whole heads, norms of queries and keys with eps 1e-6; a SwiGLU FFN.
"""

from __future__ import annotations

from collections.abc import Iterator

from nas_search.results.export.mapping.folder import LARGEST_POSITION, Config
from nas_search.results.export.mapping.misfit import Misfit, Placed, check_kinds, of_kind, one_setting, placed
from nas_search.space.architecture import Architecture
from nas_search.space.operators.attention.spec import Attention
from nas_search.space.operators.base import OperatorSpec, default_kv_heads
from nas_search.space.operators.deltanet.spec import DeltaNet
from nas_search.space.operators.ffn.spec import FeedForward
from nas_search.space.operators.mamba2.spec import Mamba2

TITLE = "Nemotron-Flash"
SOURCE = "nvidia/Nemotron-Flash-1B"
"""The repository whose code builds the network."""
CODES: dict[type[OperatorSpec], str] = {DeltaNet: "deltanet", Mamba2: "m2", Attention: "a", FeedForward: "f"}
LAYER_EPS = 1e-6

_DELTANET_TAPS = 4
_FFN_MULTIPLE = 128
_USUAL_FFN_RATIO = 3
_MAMBA2_HEAD_MULTIPLE = 8


def nemotron_flash_config(architecture: Architecture) -> Config:
    """Settings of NemotronFlashForCausalLM. Raises Misfit."""
    check_kinds(architecture.model_copy(update={"meta_tokens": 0}), tuple(CODES), TITLE)
    codes = [CODES[type(operator)] for operator in architecture.operators]
    return {
        "architectures": ["NemotronFlashForCausalLM"],
        "auto_map": {
            "AutoConfig": f"{SOURCE}--configuration_nemotron_flash.NemotronFlashConfig",
            "AutoModelForCausalLM": f"{SOURCE}--modeling_nemotron_flash.NemotronFlashForCausalLM",
        },
        "model_type": "nemotron_flash",
        "num_hidden_layers": architecture.depth,
        "layer_types": codes,
        # The class makes this list of its own again; it sees two kinds of caches.
        "layer_type": ["m" if code in {"deltanet", "m2"} else "a" for code in codes],
        "hybrid_decoder_layer": "mamba",
        "num_memory_tokens": architecture.meta_tokens,
        "rms_norm_eps": LAYER_EPS,
        "initializer_range": 0.02,
        "calc_logits_for_entire_prompt": False,
        **_heads(architecture),
        **_ffn(architecture),
        **_mamba2(architecture),
    }


def _heads(architecture: Architecture) -> Config:
    """Heads, which attention and DeltaNet share, and positions."""
    width = architecture.width
    attention = one_setting(architecture, Attention, TITLE)
    counts = list(_head_counts(architecture))
    heads = counts[0][1] if counts else 1
    for place, count in counts:
        if count != heads:
            first = counts[0][0]
            raise Misfit(f"{place} has {count} heads, {first} has {heads}: {TITLE} has one number for all of them")
    return {
        "num_attention_heads": heads,
        "num_key_value_heads": attention.sizes(width).kv_heads if attention else default_kv_heads(heads),
        "attn_hidden_size": -1,
        "kq_head_dim": -1,
        "v_head_dim": -1,
        "kq_norm": "rms" if attention and attention.qk_norm else "none",
        "rope": True,
        "rope_type": "default",
        "rope_theta": attention.rope_theta if attention else 10_000.0,
        "max_position_embeddings": LARGEST_POSITION,
        "orig_max_position_embeddings": None,
        "attention_dropout": 0.0,
        "attn_implementation": "fused_mha",
        "attn_implementation_new": "fused_mha",
        "sliding_window": None,
        "global_attn_idx": [],
    }


def _head_counts(architecture: Architecture) -> Iterator[tuple[Placed, int]]:
    """Heads that fill the width. Raises Misfit for others, and for options that there is no field for."""
    width = architecture.width
    for each in placed(architecture):
        operator = each.operator
        if isinstance(operator, DeltaNet):
            if operator.conv != _DELTANET_TAPS:
                raise each.misfit(f"DeltaNet in {TITLE} has conv={_DELTANET_TAPS}")
            yield each, operator.sizes(width).heads
        if isinstance(operator, Attention):
            if operator.qkv_bias:
                raise each.misfit(f"attention in {TITLE} has no biases")
            if operator.sizes(width).query_width != width:
                raise each.misfit(
                    f"the heads of {TITLE} fill the width; these are {operator.sizes(width).query_width} wide"
                )
            yield each, operator.sizes(width).heads


def _ffn(architecture: Architecture) -> Config:
    ffn = one_setting(architecture, FeedForward, TITLE)
    ratio: float = _USUAL_FFN_RATIO
    if ffn is not None:
        hidden = ffn.hidden_size(architecture.width)
        if hidden % _FFN_MULTIPLE:
            first = of_kind(architecture, (FeedForward,))[0]
            raise first.misfit(f"hidden={hidden} is no multiple of {_FFN_MULTIPLE}, as {TITLE} needs")
        ratio = ffn_ratio(hidden, architecture.width)
    return {
        # Above zero it would put an FFN into every mixer's layer.
        "intermediate_size": 0,
        "ffn_expand_ratio": ratio,
        "hidden_act": "silu",
        "mlp_hidden_act": "silu",
    }


def ffn_ratio(hidden: int, width: int) -> float:
    """The number whose product with the width, rounded down to a multiple of 128, is ``hidden``."""
    if hidden % width == 0:
        return hidden // width
    # Half a column more: a quotient that is rounded down would lose 128 of them.
    return (hidden + 0.5) / width


def _mamba2(architecture: Architecture) -> Config:
    mamba2 = one_setting(architecture, Mamba2, TITLE) or Mamba2.model_validate({"head_dim": 64, "state": 128})
    if found := of_kind(architecture, (Mamba2,)):
        heads = mamba2.sizes(architecture.width).heads
        if heads % _MAMBA2_HEAD_MULTIPLE:
            wanted = f"Mamba-2 in {TITLE} needs a multiple of {_MAMBA2_HEAD_MULTIPLE}"
            raise found[0].misfit(f"{heads} heads at width {architecture.width}; {wanted}")
        if mamba2.groups != 1:
            raise found[0].misfit(f"Mamba-2 in {TITLE} has groups=1")
    return {
        "mamba_d_state": mamba2.state,
        "mamba_d_conv": mamba2.conv,
        "d_conv": mamba2.conv,
        "mamba_expand": mamba2.expand,
        "mamba2_headdim": mamba2.head_dim,
        "mamba_conv_bias": True,
        "mamba_proj_bias": False,
    }
