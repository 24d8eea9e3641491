"""A plan as people write it, and as it is stored."""

import pytest

from nas_search.errors import InputError
from nas_search.proxies.training_plan import TrainingPlan


def test_round_trip() -> None:
    text = "{architecture: w64 vocab=300 (d f)x2, tokenizer: 'bpe:300', tokens: 5000, recipe: {batch: 4}}"
    plan = TrainingPlan.from_yaml(text, "plan")
    assert (plan.architecture.depth, plan.recipe.batch, plan.data, plan.device) == (4, 4, "embedded", "auto")
    assert TrainingPlan.from_yaml(plan.to_yaml(), "plan") == plan
    assert "architecture: w64 vocab=300 (d f)x2\n" in plan.to_yaml()


def test_an_architecture_may_be_spelt_out() -> None:
    plan = TrainingPlan.from_yaml("{architecture: {width: 64, operators: a f}, tokens: 5000}", "plan")
    assert plan.architecture.notation == "w64 a f"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"architecture": "w64 a"}, "architecture"),
        ({"seed": 1}, "seed"),
        ({"recipe": {"batch": 4}}, "recipe"),
        ({"tokens": 10_000, "device": "cpu", "corpus": "c0ffee"}, None),
    ],
)
def test_what_may_change_while_a_training_goes_on(changes: dict[str, object], field: str | None) -> None:
    fields = {"architecture": "w64 a f", "tokens": 5000}
    stored = TrainingPlan.checked(fields, "plan")
    assert TrainingPlan.checked(fields | changes, "plan").conflict_with(stored) == field


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1, 2]", "not a mapping"),
        ("architecture: [", "not YAML"),
        ("{architecture: w64 zz, tokens: 5}", "unknown operator 'zz'"),
        ("{architecture: 'w128 a[heads=3]', tokens: 5}", "heads=3"),
        ("{architecture: {width: 64}, tokens: 5}", "operators"),
        ("{architecture: w64 a}", "tokens"),
        ("{architecture: w64 a, tokens: 0}", "tokens"),
        (f"{{architecture: w64 a, tokens: {10**20}}}", "tokens: should be less than or equal to"),
        (f"{{architecture: w64 a, tokens: {10**400}}}", "not YAML: a number of 401 digits"),
        ("{architecture: w64 a, tokens: 5, speed: 3}", "speed"),
        ("{architecture: w64 a, tokens: 5, device: tpu}", "device"),
        ("{architecture: w64 a, tokens: 5, recipe: {learning_rate: -1}}", "recipe.learning_rate"),
    ],
)
def test_bad_plans_are_one_line_that_names_the_file(text: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        TrainingPlan.from_yaml(text, "plan.yaml")
    assert message in str(error.value) and "plan.yaml" in str(error.value)
    assert "\n" not in str(error.value)
