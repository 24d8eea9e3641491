"""Whole networks against Qwen3 and Mamba-2 of transformers: logits, gradients of the loss, greedy decoding.

In both, norms are float32 unless widened; so are the rotary tables and the softmax of Qwen3, the scan and the logits
of Mamba-2.
"""

from collections.abc import Callable

import pytest
import torch
from agreement import MIXER_NORM_EPS, NORM_EPS, assert_agree, assert_equal, call, disturb, every_precision, widened
from layouts import Weights, mamba2_weights, transformer_weights
from public_code import mamba2
from torch import Tensor, nn
from transformers import Mamba2Config, Qwen3Config, Qwen3ForCausalLM

from nas_search.results.export.mapping.own_weights import prefixed
from nas_search.space.architecture import Architecture
from nas_search.space.model import HybridLM

# Qwen3-0.6B at a sixteenth of its width: twice as many query heads as key-value heads, heads twice as large as they
# would have to be, an FFN three times as wide, a tied head.
QWEN3 = "w64 vocab=97 (a[heads=4,kv=2,head_dim=32,rope_theta=1000000,qk_norm=yes] f[hidden=192])x4"
MAMBA2 = "w64 vocab=97 (m2)x4"
LAYERS, PROMPT, NEW = 4, 40, 30

Public = Callable[[HybridLM], tuple[nn.Module, Weights]]


def qwen3_like(ours: HybridLM) -> tuple[nn.Module, Weights]:
    """Their network, and our weights for it."""
    config = Qwen3Config(
        vocab_size=97,
        hidden_size=64,
        intermediate_size=192,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        rms_norm_eps=NORM_EPS,
        rope_parameters={"rope_type": "default", "rope_theta": 1e6},
        tie_word_embeddings=True,
        attn_implementation="eager",
    )
    return Qwen3ForCausalLM(config), transformer_weights(ours)


def mamba2_like(ours: HybridLM) -> tuple[nn.Module, Weights]:
    """Their network, and our weights for it."""
    sizes = ours.layers[0].mixer.sizes
    config = Mamba2Config(
        vocab_size=97,
        hidden_size=64,
        num_hidden_layers=LAYERS,
        num_heads=sizes.heads,
        head_dim=sizes.head_dim,
        state_size=sizes.state,
        n_groups=sizes.groups,
        chunk_size=24,
        layer_norm_epsilon=MIXER_NORM_EPS,
        tie_word_embeddings=True,
        pad_token_id=None,
        eos_token_id=None,
    )
    theirs = mamba2.Mamba2ForCausalLM(config)
    weights: Weights = {"backbone.embeddings.weight": ours.embedding, "backbone.norm_f.weight": ours.norm.weight}
    for index, (our_layer, their_layer) in enumerate(zip(ours.layers, theirs.backbone.layers, strict=True)):
        # Theirs has one eps for all norms, ours is 1e-6 around layers and 1e-5 in them.
        their_layer.norm.variance_epsilon = NORM_EPS
        layer = {"norm.weight": our_layer.norm.weight} | prefixed("mixer", mamba2_weights(our_layer.mixer))
        weights |= prefixed(f"backbone.layers.{index}", layer)
    theirs.backbone.norm_f.variance_epsilon = NORM_EPS
    return theirs, weights


every_network = pytest.mark.parametrize(("notation", "public"), [(QWEN3, qwen3_like), (MAMBA2, mamba2_like)])


def make_pair(notation: str, public: Public, dtype: torch.dtype) -> tuple[HybridLM, nn.Module, Weights]:
    ours = HybridLM(Architecture.parse(notation), seed=0)
    torch.manual_seed(0)
    disturb(ours)
    ours.to(dtype)
    with widened(dtype):
        theirs, weights = public(ours)
    return ours, theirs.eval(), weights


def make_tokens(length: int) -> Tensor:
    return torch.randint(97, (2, length), generator=torch.Generator().manual_seed(length))


@every_precision
@pytest.mark.parametrize("length", [1, 33, 100])
@every_network
def test_logits(notation: str, public: Public, length: int, dtype: torch.dtype) -> None:
    ours, theirs, weights = make_pair(notation, public, dtype)
    tokens = make_tokens(length)
    leaves = ours.named_parameters()
    assert_agree(lambda: ours(tokens), lambda: call(theirs, weights, tokens, use_cache=False).logits, leaves)


@every_precision
@every_network
def test_loss(notation: str, public: Public, dtype: torch.dtype) -> None:
    """Their loss shifts the labels itself."""
    ours, theirs, weights = make_pair(notation, public, dtype)
    tokens = make_tokens(65)

    def their_loss() -> Tensor:
        loss: Tensor = call(theirs, weights, tokens, labels=tokens, use_cache=False).loss
        return loss

    assert_agree(lambda: ours.loss(tokens), their_loss, ours.named_parameters())


@every_precision
@every_network
def test_greedy_decoding(notation: str, public: Public, dtype: torch.dtype) -> None:
    """Prompt and steps on our state give the logits of theirs with their cache, and the same tokens."""
    ours, theirs, weights = make_pair(notation, public, dtype)
    theirs.to(dtype).load_state_dict(weights | {"lm_head.weight": ours.embedding})
    prompt = make_tokens(PROMPT)
    with widened(dtype), torch.no_grad():
        options = {"do_sample": False, "output_logits": True, "return_dict_in_generate": True}
        expected = theirs.generate(prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=NEW, **options)
    state = ours.new_state(len(prompt), PROMPT + NEW)
    with torch.inference_mode():
        logits = [ours.prefill(prompt, state)]
        for token in expected.sequences[:, PROMPT:-1].unbind(1):
            logits.append(ours.step(token, state))
    assert_equal(torch.stack(logits), torch.stack(expected.logits), "logits")
    assert torch.equal(ours.generate(prompt, NEW, temperature=0), expected.sequences)
