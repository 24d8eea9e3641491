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
        state, expected_state = loaded.optimizer.state[weight], trained.optimizer.state[expected]
        assert state.keys() == expected_state.keys()
        assert all(torch.equal(state[name], expected_state[name]) for name in state)


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
    del trained.optimizer.state[idle]
    save_trunk(trained, tmp_path, "me")
    loaded = _fresh(trained)
    load_trunk(loaded, tmp_path, "me", at_most=3)
    assert torch.equal(loaded.model.norm.weight, idle)
    assert loaded.model.norm.weight not in loaded.optimizer.state


def test_steps_are_in_the_metadata(trained: Trunk, tmp_path: Path) -> None:
    save_trunk(trained, tmp_path, "me")
    with safe_open(tmp_path / TRUNK_FILE, framework="pt") as file:
        assert file.metadata() == {"identity": "me", "steps": "3"}


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
