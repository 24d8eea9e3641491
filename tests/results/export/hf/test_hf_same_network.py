"""What transformers loads computes what our network computes."""

from collections.abc import Callable

import pytest
import torch
from exported import Pair, tokens

# Every operator, with its defaults and with each of its options; and what belongs to the network.
NETWORKS = (
    "w64 untied a", "w64 untied a[heads=4,kv=2,head_dim=8,rope_theta=500,qk_norm=yes,qkv_bias=yes]",
    "w64 untied swa", "w64 untied swa[window=7,heads=2,kv=1,qk_norm=yes]",
    "w64 untied m", "w64 untied m[state=4,expand=1,conv=3,dt_rank=2]",
    "w64 untied m2", "w64 untied m2[head_dim=16,state=8,expand=1,groups=2,conv=2]",
    "w64 untied d", "w64 untied d[head_dim=16,conv=2]",
    "w64 untied gd", "w64 untied gd[head_dim=16,conv=2,expand_v=2]",
    "w64 untied gla", "w64 untied gla[head_dim=16,gate_rank=5]",
    "w64 untied r7", "w64 untied r7[head_dim=16,rank=4,gate_rank=6]",
    "w64 untied f", "w64 untied f[ratio=1.5]", "w64 untied f[hidden=24]",
    "w32 vocab=300 meta=3 untied m2 d a f", "w32 meta=2 (r7 swa[window=5] m f)x2 gd gla",
)  # fmt: skip


@pytest.mark.parametrize("notation", NETWORKS)
def test_logits_and_tokens(pair: Callable[..., Pair], notation: str) -> None:
    both = pair(notation)
    prompt = tokens(2, 75)
    with torch.no_grad():
        torch.testing.assert_close(both.theirs(prompt).logits, both.ours(prompt), rtol=0, atol=1e-5)
    greedy = both.theirs.generate(prompt, max_new_tokens=9, do_sample=False)
    assert torch.equal(greedy, both.ours.generate(prompt, 9, temperature=0))
    torch.manual_seed(3)
    sampled = both.theirs.generate(prompt, max_new_tokens=9)
    assert torch.equal(sampled, both.ours.generate(prompt, 9, temperature=0.8, seed=3))
    assert not torch.equal(sampled, greedy)


@pytest.mark.parametrize("notation", ["w32 meta=2 a m2 d f", "w32 swa[window=4] m gd gla r7"])
def test_losses_and_gradients(pair: Callable[..., Pair], notation: str) -> None:
    both = pair(notation)
    text = tokens(2, 41)
    loss = both.ours.loss(text)
    expected = dict(
        zip(
            [name for name, _ in both.ours.named_parameters()],
            torch.autograd.grad(loss, [*both.ours.parameters()]),
            strict=True,
        )
    )
    model = both.load().train()
    output = model(text, labels=text)
    output.loss.backward()
    torch.testing.assert_close(output.loss, loss)
    assert output.get("cache") is None and output.get("past_key_values") is None
    found = {name: weight.grad for name, weight in model.named_parameters()}
    assert len(found) == len(expected)
    for name, gradient in expected.items():
        theirs = "model.embed_tokens.weight" if name == "embedding" else f"model.{name}"
        torch.testing.assert_close(found[theirs], gradient, rtol=1e-4, atol=1e-5)


def test_sizes_are_written_out(pair: Callable[..., Pair]) -> None:
    """What a reader of the configuration would have to know our rules for."""
    layers = pair("w64 a m2 d gd gla r7 m f").theirs.config.layers
    assert [layer["operator"] for layer in layers] == ["a", "m2", "d", "gd", "gla", "r7", "m", "f"]
    assert not [(layer["operator"], name) for layer in layers for name, value in layer.items() if value is None]
    assert (layers[0]["heads"], layers[0]["kv_heads"], layers[0]["head_dim"]) == (2, 1, 32)
    assert layers[-1]["hidden"] == 192


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(pair: Callable[..., Pair], dtype: torch.dtype) -> None:
    both = pair("w64 a m m2 d gd gla r7 f")
    model = both.load(dtype=dtype)
    assert {weight.dtype for weight in model.parameters()} == {dtype}
    prompt = tokens(2, 40)
    ours = pair("w64 a m m2 d gd gla r7 f").ours
    with torch.no_grad():
        exact, half = ours(prompt), model(prompt).logits
    assert half.dtype == dtype
    assert (half - exact).norm() < 0.05 * exact.norm()
    assert model.generate(prompt, max_new_tokens=4, do_sample=False).shape == (2, 44)
