"""Which matrices keep unit vectors, and that they do."""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import Tensor, nn

from nas_search.proxies.data import Corpus
from nas_search.proxies.recipe import TrainingRecipe
from nas_search.proxies.short_training import train_rung
from nas_search.proxies.trunk import Trunk
from nas_search.proxies.weight_norm import StreamWeights, reading, writing
from nas_search.proxies.windows import TrainingWindows
from nas_search.space.architecture import Architecture
from nas_search.space.model import HybridLM
from nas_search.space.notation import parse_operator
from nas_search.space.operators.module import Cursor, Mixer, Projection, State, StateFormat
from nas_search.space.operators.registry import operator_types

LOW_RANK = ["decay.down", "gate.down", "rate.down"]
# Where sizes inside an operator are the stream's, and where they are not.
READERS = {
    "a[qkv_bias=yes]": ["qkv_proj"],
    "swa[window=8]": ["qkv_proj"],
    "m": ["in_proj"],
    "m[expand=1,dt_rank=32]": ["in_proj"],
    "m2": ["in_proj"],
    "m2[expand=1]": ["in_proj"],
    "d": ["in_proj"],
    "gd": ["in_proj"],
    "gla[gate_rank=32]": ["in_proj"],
    "r7": ["k_proj", "r_proj", "v_proj", *LOW_RANK],
    "f": ["gate_up_proj"],
    "f[ratio=1]": ["gate_up_proj"],
}


class Cross(Mixer):
    """An operator of somebody else: half the channels, a matrix that is no layer, one frozen, one that does both."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.some = Projection(width // 2, 8)
        self.plain = nn.Parameter(torch.randn(width, width))
        self.frozen = Projection(width, width)
        self.frozen.weight.requires_grad_(False)
        self.both = Projection(width, width)
        self.wide = Projection(width, 2 * width)

    def forward(self, x: Tensor, state: State | None = None) -> Tensor:
        narrow = self.some(x[..., ::2]).mean(-1, keepdim=True)
        return self.both(x) + self.wide(self.frozen(x @ self.plain) * narrow).chunk(2, -1)[0]

    def new_state(self, batch: int, max_length: int, form: StateFormat) -> State:
        return ()

    def step(self, x: Tensor, state: State, cursor: Cursor) -> Tensor:
        return self(x)

    def residual_weights(self) -> tuple[Tensor, ...]:
        return self.both.weight, self.wide.weight


def names(mixer: Mixer, layers: list[nn.Linear]) -> list[str]:
    known = {id(module): name for name, module in mixer.named_modules()}
    return sorted(known[id(layer)] for layer in layers)


@pytest.mark.parametrize("width", [32, 64])
@pytest.mark.parametrize("notation", READERS)
def test_what_reads_and_what_writes_the_stream(notation: str, width: int) -> None:
    mixer = parse_operator(notation).build(width)
    assert names(mixer, reading(mixer, width)) == sorted(READERS[notation])
    assert names(mixer, writing(mixer, width)) == ["out_proj"]


def test_the_table_has_all_operators() -> None:
    assert {notation.partition("[")[0] for notation in READERS} >= set(operator_types())


def test_an_operator_of_somebody_else() -> None:
    mixer = Cross(16)
    assert names(mixer, reading(mixer, 16)) == ["both", "frozen"]
    assert names(mixer, writing(mixer, 16)) == ["both"]  # 'wide' has no columns of the stream's width
    assert not mixer.frozen.weight.requires_grad
    assert all(weight.requires_grad for name, weight in mixer.named_parameters() if "frozen" not in name)
    assert not any(module._forward_pre_hooks for module in mixer.modules())
    assert all(weight.grad is None for weight in mixer.parameters())


def test_the_operator_of_the_documentation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "experiments" / "example-operator")
    mixer: Mixer = importlib.import_module("nas_search_mingru.spec").MinGRU(expand=1).build(16)
    assert names(mixer, reading(mixer, 16)) == ["in_proj"]
    assert names(mixer, writing(mixer, 16)) == ["out_proj"]


def test_what_reads_and_writes_counts_as_writing(architecture: Architecture) -> None:
    model = HybridLM(Architecture.parse("w16 f"))
    mixer = Cross(16)
    model.layers[0].mixer = mixer
    found = StreamWeights.of(model)
    assert found.readers == (mixer.frozen,)
    assert found.writers == (mixer.both,)


def test_everything_else_is_left_alone() -> None:
    model = HybridLM(Architecture.parse(f"w64 untied meta=2 {' '.join(operator_types())}"))
    weights = StreamWeights.of(model)
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    weights.project()
    layers = {name: module for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    rows = {f"{name}.weight" for name, layer in layers.items() if layer in weights.readers}
    columns = {f"{name}.weight" for name, layer in layers.items() if layer in weights.writers}
    assert len(columns) == len(model.layers)
    for name, weight in model.named_parameters():
        exact = before[name].double()
        if name in rows | columns:
            norms = exact.norm(dim=1 if name in rows else 0, keepdim=True)
            exact = torch.where(norms > 0, exact / norms, exact)
        torch.testing.assert_close(weight.double(), exact, rtol=1e-6, atol=1e-9)


def test_a_vector_of_zeros_stays_zero() -> None:
    model = HybridLM(Architecture.parse("w16 f"))
    with torch.no_grad():
        model.layers[0].mixer.out_proj.weight[:, 3] = 0
    StreamWeights.of(model).project()
    weight = model.layers[0].mixer.out_proj.weight
    assert weight[:, 3].count_nonzero() == 0
    torch.testing.assert_close(weight[:, 4].norm(), torch.tensor(1.0))


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_unit_vectors_after_every_step(data: st.DataObject) -> None:
    """Whatever the operators, the width, the optimiser, its rate and its decay."""
    operators = data.draw(st.lists(st.sampled_from([*READERS]), min_size=1, max_size=2))
    architecture = Architecture.parse(f"w{data.draw(st.sampled_from([32, 64]))} {' '.join(operators)}")
    recipe = TrainingRecipe.model_validate({
        "sequence_length": 8, "batch": 1, "warmup_tokens": 0, "weight_norm": True,
        "optimizer": data.draw(st.sampled_from(["adamw", "muon"])),
        "learning_rate": data.draw(st.floats(1e-5, 1.0)),
        "weight_decay": data.draw(st.sampled_from([0.0, 0.1])),
    })  # fmt: skip
    seed = data.draw(st.integers(0, 100))
    windows = TrainingWindows(np.random.default_rng(seed).integers(256, size=64), 8, 1, seed)
    trunk = Trunk(architecture, recipe, seed)
    own: Any = trunk._projected
    trunk.train_to(2, windows, lambda _: assert_unit(own))
    trunk.decay(1, windows, lambda _: assert_unit(own))


def assert_unit(weights: StreamWeights) -> None:
    norms = [layer.weight.norm(dim=1) for layer in weights.readers] + [
        layer.weight.norm(dim=0) for layer in weights.writers
    ]
    found = torch.cat(norms).detach()
    torch.testing.assert_close(found, torch.ones_like(found), rtol=0, atol=1e-5)


def test_a_scored_network_has_unit_vectors(corpus: Corpus, recipe: TrainingRecipe, tmp_path: Path) -> None:
    architecture = Architecture.parse("w32 f")
    asked = recipe.model_copy(update={"weight_norm": True})
    kept = tmp_path / "kept.safetensors"
    result = train_rung(
        architecture, corpus, asked, rungs=[1024], rung=0, seed=0, checkpoint_dir=tmp_path, keep_weights=kept
    )
    assert result.failure is None
    weights = load_file(kept)
    torch.testing.assert_close(weights["layers.0.mixer.gate_up_proj.weight"].norm(dim=1), torch.ones(192))
    torch.testing.assert_close(weights["layers.0.mixer.out_proj.weight"].norm(dim=0), torch.ones(96))


def test_without_it_nothing_is_projected(architecture: Architecture, recipe: TrainingRecipe) -> None:
    assert Trunk(architecture, recipe, seed=0)._projected is None
