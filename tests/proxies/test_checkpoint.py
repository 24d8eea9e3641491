from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from nas_search.proxies.checkpoint import TRUNK_FILE, load_trunk, save_trunk, training_identity
from nas_search.proxies.data import Corpus
from nas_search.proxies.recipe import TrainingRecipe
from nas_search.proxies.trunk import Trunk
from nas_search.proxies.windows import TrainingWindows
from nas_search.space.architecture import Architecture
from nas_search.space.operators.registry import operator_types


@pytest.fixture
def trained(architecture: Architecture, corpus: Corpus, recipe: TrainingRecipe) -> Trunk:
    trunk = Trunk(architecture, recipe, seed=0)
    trunk.train_to(3, TrainingWindows(corpus.train, recipe.sequence_length, recipe.batch, 0), lambda _: None)
    return trunk


def _fresh(trained: Trunk) -> Trunk:
    return Trunk(trained.model.architecture, trained.recipe, seed=0)


def test_everything_comes_back(trained: Trunk, tmp_path: Path) -> None:
    save_trunk(trained, tmp_path, "me")
    loaded = _fresh(trained)
    load_trunk(loaded, tmp_path, "me", at_most=3)
    assert loaded.losses == trained.losses
    pairs = zip(loaded.model.parameters(), trained.model.parameters(), strict=True)
    for weight, expected in pairs:
        assert torch.equal(weight, expected)
        state, expected_state = loaded.optimizers[0].state[weight], trained.optimizers[0].state[expected]
        assert state.keys() == expected_state.keys()
        assert all(torch.equal(state[name], expected_state[name]) for name in state)


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3, 0.6, 0.9, 0.999])
def test_a_flipped_bit_is_noticed(trained: Trunk, tmp_path: Path, share: float) -> None:
    """Wherever it is, in the header or in a figure, the trunk stays fresh."""
    save_trunk(trained, tmp_path, "me")
    content = bytearray((tmp_path / TRUNK_FILE).read_bytes())
    content[int(share * len(content))] ^= 1
    (tmp_path / TRUNK_FILE).write_bytes(content)
    loaded = _fresh(trained)
    load_trunk(loaded, tmp_path, "me", at_most=3)
    assert loaded.losses == []
    pairs = zip(loaded.model.parameters(), _fresh(trained).model.parameters(), strict=True)
    assert all(torch.equal(weight, expected) for weight, expected in pairs)


TECHNIQUES = (
    {"optimizer": "muon"},
    {"weight_norm": True},
    {"optimizer": "muon", "weight_norm": True},
    {"precision": "bfloat16"},
    {"optimizer": "muon", "weight_norm": True, "precision": "bfloat16"},
)


@pytest.mark.parametrize("technique", [{}, *TECHNIQUES])
def test_it_goes_on_as_if_nothing_had_happened(
    recipe: TrainingRecipe, corpus: Corpus, tmp_path: Path, technique: dict[str, object]
) -> None:
    """Losses and weights bit by bit, with all operators and in the decay as well."""
    asked = TrainingRecipe.model_validate({**recipe.model_dump(), **technique})
    architecture = Architecture.parse(f"w32 meta=2 untied {' '.join(operator_types())}")
    windows = TrainingWindows(corpus.train, asked.sequence_length, asked.batch, 0)
    undisturbed, first, second = (Trunk(architecture, asked, seed=0) for _ in range(3))
    first.train_to(3, windows, lambda _: None)
    save_trunk(first, tmp_path, "me")
    load_trunk(second, tmp_path, "me", at_most=3)
    for trunk in (undisturbed, second):
        trunk.train_to(5, windows, lambda _: None)
        trunk.decay(2, windows, lambda _: None)
    assert second.losses == undisturbed.losses
    pairs = zip(second.model.parameters(), undisturbed.model.parameters(), strict=True)
    assert all(torch.equal(weight, expected) for weight, expected in pairs)


def test_moments_of_both_optimisers_are_kept(recipe: TrainingRecipe, corpus: Corpus, tmp_path: Path) -> None:
    asked = recipe.model_copy(update={"optimizer": "muon"})
    trunk = Trunk(Architecture.parse("w32 f"), asked, seed=0)
    trunk.train_to(1, TrainingWindows(corpus.train, asked.sequence_length, asked.batch, 0), lambda _: None)
    save_trunk(trunk, tmp_path, "me")
    with safe_open(tmp_path / TRUNK_FILE, framework="pt") as file:
        kept = set(file.keys())
    matrices = {f"layers.0.mixer.{name}.weight" for name in ("gate_up_proj", "out_proj")}
    others = {"embedding", "norm.weight", "layers.0.norm.weight"}
    assert kept == (
        {"losses"}
        | {f"weights.{name}" for name in matrices | others}
        | {f"momentum_buffer.{name}" for name in matrices}
        | {f"{moment}.{name}" for name in others for moment in ("exp_avg", "exp_avg_sq")}
    )


@pytest.mark.parametrize(("identity", "at_most"), [("other", 3), ("me", 2)])
def test_a_foreign_or_later_trunk_is_left_alone(trained: Trunk, tmp_path: Path, identity: str, at_most: int) -> None:
    save_trunk(trained, tmp_path, "me")
    loaded = _fresh(trained)
    load_trunk(loaded, tmp_path, identity, at_most)
    assert loaded.steps == 0


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 4096])
def test_rubbish_is_left_alone(trained: Trunk, tmp_path: Path, content: bytes) -> None:
    (tmp_path / TRUNK_FILE).write_bytes(content)
    loaded = _fresh(trained)
    load_trunk(loaded, tmp_path, "me", at_most=3)
    assert loaded.steps == 0


def test_a_weight_without_gradient_is_kept(trained: Trunk, tmp_path: Path) -> None:
    idle = trained.model.norm.weight
    del trained.optimizers[0].state[idle]
    save_trunk(trained, tmp_path, "me")
    loaded = _fresh(trained)
    load_trunk(loaded, tmp_path, "me", at_most=3)
    assert torch.equal(loaded.model.norm.weight, idle)
    assert loaded.model.norm.weight not in loaded.optimizers[0].state


def test_steps_are_in_the_metadata(trained: Trunk, tmp_path: Path) -> None:
    save_trunk(trained, tmp_path, "me")
    with safe_open(tmp_path / TRUNK_FILE, framework="pt") as file:
        metadata = file.metadata()
    assert metadata["identity"] == "me"
    assert metadata["steps"] == "3"


def test_identity_depends_on_everything_that_training_depends_on(
    architecture: Architecture, recipe: TrainingRecipe
) -> None:
    other_recipe = recipe.model_copy(update={"beta2": 0.99})
    identities = {
        training_identity(architecture, recipe, "text", 0),
        training_identity(Architecture.parse("w64 a f m2"), recipe, "text", 0),
        training_identity(architecture, other_recipe, "text", 0),
        training_identity(architecture, recipe, "other text", 0),
        training_identity(architecture, recipe, "text", 1),
    }
    assert len(identities) == 5
    assert training_identity(architecture, recipe.model_copy(), "text", 0) in identities


def test_techniques_are_part_of_the_identity(architecture: Architecture, recipe: TrainingRecipe) -> None:
    asked = [TrainingRecipe.model_validate({**recipe.model_dump(), **technique}) for technique in ({}, *TECHNIQUES)]
    asked.append(recipe.model_copy(update={"optimizer": "muon", "muon_momentum": 0.9}))
    asked.append(recipe.model_copy(update={"precision": "float32"}))
    assert len({training_identity(architecture, one, "text", 0) for one in asked}) == len(asked)


def test_the_identity_without_techniques_is_that_of_earlier_versions(architecture: Architecture) -> None:
    """Stored trunks and results are found by it."""
    identity = "475863ba36ec68051f215f0196ad428c984b3ed93feebb4bb4cb16f5c1e71aa4"
    assert training_identity(architecture, TrainingRecipe(), "text", 0) == identity
