"""The recipe of an export is what the search did, only longer."""

from pathlib import Path

import pytest

from nas_search.proxies.training_plan import TrainingPlan
from nas_search.results.export.export import export
from nas_search.results.export.recipe import TOKENS_PER_PARAMETER, RecipeExporter, full_length
from nas_search.results.export.source import find_source
from nas_search.results.train import read_plan
from nas_search.search.study import Study
from nas_search.space.architecture import Architecture


def test_a_run_s_recipe_has_its_text_and_hyperparameters(kept_run: Path, tmp_path: Path) -> None:
    study = Study.open(kept_run)
    winner = study.winner()
    assert winner is not None and study.facts is not None
    export(kept_run, tmp_path / "out", "recipe")
    plan = read_plan(tmp_path / "out")
    assert plan.architecture.notation == winner.architecture
    assert plan.recipe == study.config.recipe
    assert (plan.data, plan.tokenizer, plan.corpus) == ("embedded", "bytes", study.facts.corpus)
    assert plan.tokens == TOKENS_PER_PARAMETER * winner.parameters


def test_the_file_names_every_hyperparameter_and_a_command(tmp_path: Path) -> None:
    export("w64 a f", tmp_path / "out", "recipe")
    text = (tmp_path / "out" / "recipe.yaml").read_text()
    assert "nas-search train recipe.yaml --out trained" in text
    for name in ("tokens: ", "learning_rate: ", "warmup_tokens: ", "decay_share: ", "weight_decay: ", "clip_norm: "):
        assert name in text
    assert TrainingPlan.from_yaml(text, "recipe") == read_plan(tmp_path / "out" / "recipe.yaml")


@pytest.mark.parametrize(
    ("text", "tokenizer"),
    [
        ("w64 a f", "bytes"),
        ("w64 vocab=300 a f", "bpe:300"),
        ("w64 vocab=278 a f", "bpe:300"),
        ("w64 vocab=151936 a", "bpe:151936"),
    ],
)
def test_the_tokenizer_has_the_vocabulary_of_the_architecture(text: str, tokenizer: str) -> None:
    assert RecipeExporter().misfit(Architecture.parse(text)) is None
    assert full_length(find_source(text).specification()).tokenizer == tokenizer


@pytest.mark.parametrize("vocabulary", [7, 255, 262_145])
def test_a_vocabulary_of_no_tokenizer_is_a_misfit(vocabulary: int) -> None:
    reason = RecipeExporter().misfit(Architecture.parse(f"w64 vocab={vocabulary} a"))
    assert reason is not None and f"a vocabulary of {vocabulary}" in reason


def test_a_twin_s_tokenizer_is_not_that_of_the_architecture(twin_run: Path) -> None:
    plan = full_length(find_source(twin_run).specification())
    assert plan.architecture.vocabulary == 1000
    assert (plan.tokenizer, plan.corpus) == ("bpe:1000", None)
