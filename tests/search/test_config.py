from pathlib import Path
from typing import Any

import pytest

from nas_search.errors import InputError
from nas_search.search.config import MAY_CHANGE, SearchConfig


def checked(**fields: Any) -> SearchConfig:
    return SearchConfig.checked(fields)


def test_yaml_round_trip() -> None:
    config = checked(trials=7, table="a/b.parquet", hours=1.5, recipe={"batch": 4}, sampler_options={"population": 9})
    assert SearchConfig.from_yaml(config.to_yaml(), "here") == config
    assert config.table == Path("a/b.parquet")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"trails": 3}, "trails"),
        ({"trials": 0}, "trials"),
        ({"trials": 5, "proposals": 4}, "proposals"),
        ({"recipe": {"batch": 0}}, "recipe.batch"),
        ({"seed": -1}, "seed"),
    ],
)
def test_wrong_fields_are_named(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        SearchConfig.checked(fields, "my.yaml")
    assert str(error.value).startswith("my.yaml: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["[1, 2]", "a: [", "seed: x", "!!python/object:os.system {}"])
def test_damaged_yaml_is_an_input_error(text: str) -> None:
    with pytest.raises(InputError, match="damaged"):
        SearchConfig.from_yaml(text, "damaged")


def test_resolved_fills_in_what_depends_on_other_fields() -> None:
    config = checked(trials=4, tokens=1000).resolved()
    assert (config.proposals, config.confirm_tokens) == (80, 2000)
    assert config.workers >= 1
    assert config.resolved() == config
    assert checked(trials=4, proposals=5, workers=3, confirm_tokens=9).resolved().proposals == 5


def test_resolved_gives_files_their_full_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("my.yaml", "my.txt", "cpu", "embedded"):
        (tmp_path / name).touch()
    config = checked(space="my.yaml", data="my.txt", table="my.parquet", latency_budget="3x").resolved()
    assert (config.space, config.data) == (str(tmp_path / "my.yaml"), str(tmp_path / "my.txt"))
    assert (config.table, config.latency_budget) == (tmp_path / "my.parquet", "3x")
    assert (checked().resolved().space, checked().resolved().data) == ("cpu", "embedded")


def test_only_what_changes_results_conflicts() -> None:
    stored = checked().resolved()
    for name in SearchConfig.model_fields:
        changed = {"trials": 99, "proposals": 999, "hours": 9.0, "workers": 7, "confirm_members": 1}.get(name)
        if name in MAY_CHANGE:
            assert stored.model_copy(update={name: changed}).conflict_with(stored) is None
    assert checked(seed=1).resolved().conflict_with(stored) == "seed"


def test_workers_matter_to_a_deterministic_search() -> None:
    stored = checked(deterministic=True, workers=2).resolved()
    assert checked(deterministic=True, workers=3).resolved().conflict_with(stored) == "workers"
