"""Meta tokens in training: learned like other weights, and never predicted."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from nas_search.proxies.data import Corpus
from nas_search.proxies.recipe import TrainingRecipe
from nas_search.proxies.short_training import train_rung, validation_loss
from nas_search.proxies.training_memory import training_bytes
from nas_search.proxies.trunk import Trunk
from nas_search.proxies.twin import TwinRule
from nas_search.proxies.windows import TrainingWindows
from nas_search.space.architecture import Architecture
from nas_search.space.model import HybridLM
from nas_search.space.search_space import SearchSpace

META = 5
SPACE = {
    "name": "with",
    "stages": ["only"],
    "mixers": ["m2", "a"],
    "ratios": ["0:1", "1:1"],
    "ffns": [0, 1],
    "max_repeats": 2,
    "widths": [32, 64],
    "max_operators": 6,
    "vocabulary": 256,
}


@pytest.fixture
def with_meta(architecture: Architecture) -> Architecture:
    return architecture.model_copy(update={"meta_tokens": META})


def test_the_loss_is_that_of_the_text_alone(with_meta: Architecture) -> None:
    """Against decoding, a token at a time: logits of meta tokens are nowhere in it."""
    model = HybridLM(with_meta, seed=1)
    tokens = torch.randint(256, (2, 9), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        state = model.new_state(2, 8)
        steps = [model.prefill(tokens[:, :1], state), *(model.step(tokens[:, place], state) for place in range(1, 8))]
        expected = functional.cross_entropy(torch.stack(steps, 1).flatten(0, 1), tokens[:, 1:].flatten())
        assert model.loss(tokens).item() == pytest.approx(expected.item(), rel=1e-5)
        assert validation_loss(model, tokens.numpy()) == pytest.approx(expected.item(), rel=1e-5)


def test_they_learn(with_meta: Architecture, corpus: Corpus, recipe: TrainingRecipe) -> None:
    trunk = Trunk(with_meta, recipe, seed=0)
    before = HybridLM(with_meta, seed=0).meta_tokens
    windows = TrainingWindows(corpus.train, recipe.sequence_length, recipe.batch, 0)
    trunk.train_to(2, windows, lambda _: None)
    assert before is not None
    assert trunk.model.meta_tokens is not None
    assert (trunk.model.meta_tokens != before).all()


def test_tokens_and_steps_are_those_of_the_text(
    architecture: Architecture, with_meta: Architecture, corpus: Corpus, recipe: TrainingRecipe, tmp_path: Path
) -> None:
    plain, prefixed = (
        train_rung(one, corpus, recipe, rungs=[1024], rung=0, seed=0, checkpoint_dir=tmp_path / one.fingerprint)
        for one in (architecture, with_meta)
    )
    assert plain.tokens == prefixed.tokens == 1024
    assert plain.bits_per_byte != prefixed.bits_per_byte


def test_a_twin_has_as_many() -> None:
    twin = TwinRule(widths={64: 32}, vocabulary=300).twin(Architecture.parse("w64 meta=5 a f"))
    assert twin == Architecture.parse("w32 vocab=300 meta=5 a f")


def test_their_activations_count(architecture: Architecture, with_meta: Architecture, recipe: TrainingRecipe) -> None:
    weights = with_meta.parameters - architecture.parameters
    assert weights == META * 32
    assert training_bytes(with_meta, recipe) - training_bytes(architecture, recipe) > 4 * 4 * weights


def test_a_space_gives_them_to_all_members(corpus: Corpus, recipe: TrainingRecipe, tmp_path: Path) -> None:
    """The same space with and without: the same networks but for the prefix, which is how to compare them."""
    without, spaced = (SearchSpace.model_validate({**SPACE, "meta_tokens": count}) for count in (0, META))
    for index in range(10):
        genome = spaced.sample(np.random.default_rng(index))
        member = spaced.decode(genome)
        assert member.meta_tokens == META
        assert member.model_copy(update={"meta_tokens": 0}) == without.decode(genome)
    result = train_rung(member, corpus, recipe, rungs=[512], rung=0, seed=0, checkpoint_dir=tmp_path)
    assert result.failure is None
