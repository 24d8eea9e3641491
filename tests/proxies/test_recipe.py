import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

import nas_search
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


def test_what_the_driver_imports_is_free_of_torch() -> None:
    imports = "; ".join(f"import nas_search.proxies.{name}" for name in TORCH_FREE)
    code = f"import sys; {imports}; print([name for name in ('torch', 'pandas', 'pyarrow') if name in sys.modules])"
    source = Path(nas_search.__file__).parents[1]
    run = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(source)}, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"
