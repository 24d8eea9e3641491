import math
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

import nas_search
from nas_search.errors import first_problem
from nas_search.proxies.recipe import TrainingRecipe

TORCH_FREE = ("data", "recipe", "rung_result", "schedule", "windows")


def test_round_trip() -> None:
    recipe = TrainingRecipe(batch=4, learning_rate=1e-3)
    assert TrainingRecipe.model_validate_json(recipe.model_dump_json()) == recipe
    assert recipe.tokens_per_step == 4 * recipe.sequence_length


@pytest.mark.parametrize("field", [{"batch": 0}, {"decay_share": 1.0}, {"learning_rate": 0.0}, {"momentum": 0.9}])
def test_values_out_of_range(field: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        TrainingRecipe.model_validate(field)


TECHNIQUES = {
    "optimizer": "muon",
    "muon_learning_rate": 0.01,
    "muon_momentum": 0.9,
    "weight_norm": True,
    "precision": "float32",
}


def test_a_technique_is_written_only_if_it_is_used() -> None:
    assert not TrainingRecipe().model_dump().keys() & TECHNIQUES.keys()
    used = TrainingRecipe.model_validate(TECHNIQUES)
    assert used.model_dump(mode="json").items() >= TECHNIQUES.items()
    assert TrainingRecipe.model_validate_json(used.model_dump_json()) == used


def test_the_title_says_what_takes_the_steps() -> None:
    assert TrainingRecipe().optimizer_title == "AdamW"
    used = TrainingRecipe.model_validate(TECHNIQUES)
    assert used.optimizer_title == "Muon for matrices of layers, AdamW for the rest, weight normalisation"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"optimizer": "sgd"}, "optimizer: should be 'adamw' or 'muon'"),
        ({"precision": "float16"}, "precision: should be 'auto', 'float32' or 'bfloat16'"),
        ({"muon_momentum": 0.9}, "muon_momentum: only with optimizer: muon"),
        ({"muon_learning_rate": 0.1, "optimizer": "adamw"}, "muon_learning_rate: only with optimizer: muon"),
        ({"muon_momentum": 1.0, "optimizer": "muon"}, "muon_momentum: should be less than 1, not 1.0"),
        ({"muon_learning_rate": 0.0, "optimizer": "muon"}, "muon_learning_rate: should be greater than 0"),
        ({"weight_norm": "rows"}, "weight_norm: should be a valid boolean"),
        ({"learning_rate": math.inf}, "learning_rate: should be a finite number"),
    ],
)
def test_techniques_that_do_not_exist(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TrainingRecipe.model_validate(fields)
    assert first_problem(caught.value).startswith(message)


def test_what_the_driver_imports_is_free_of_torch() -> None:
    imports = "; ".join(f"import nas_search.proxies.{name}" for name in TORCH_FREE)
    code = f"import sys; {imports}; print([name for name in ('torch', 'pandas', 'pyarrow') if name in sys.modules])"
    source = Path(nas_search.__file__).parents[1]
    run = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(source)}, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"
