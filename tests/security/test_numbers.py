"""Numbers in files of others that are none, or beyond anything that is counted."""

import json
from pathlib import Path

import pytest

from nas_search.errors import InputError
from nas_search.results.training_result import RESULT_FILE, read_result
from nas_search.search.config import SearchConfig
from nas_search.search.study import Facts

RESULT = {
    "architecture": "w32 a f", "parameters": 9, "asked_tokens": 9, "tokens": 9, "data": "embedded",
    "tokenizer": "bytes", "corpus": "c", "train_tokens": 9, "seed": 0, "bits_per_byte": 2.0,
    "low": 1.9, "high": 2.1, "windows": 9,
    "validation_tokens": 9, "device": "cpu",
}  # fmt: skip


@pytest.mark.parametrize("fields", [{"train_tokens": 0}, {"train_tokens": -3}, {"tokens": 10**400}, {"tokens": -1}])
def test_a_result_that_counts_wrongly_is_none(tmp_path: Path, fields: dict[str, int]) -> None:
    (tmp_path / RESULT_FILE).write_text(json.dumps(RESULT))
    found = read_result(tmp_path)
    assert found is not None and found.rows
    (tmp_path / RESULT_FILE).write_text(json.dumps(RESULT | fields))
    assert read_result(tmp_path) is None


@pytest.mark.parametrize("tokens", [0, 10**400])
def test_facts_that_count_wrongly_are_damaged(tokens: int) -> None:
    facts = {
        "space": "s", "corpus": "c", "table": "t", "objectives": ["decode:64", "loss"], "limits": [],
        "penalty_loss": 8.0, "versions": {},
    }  # fmt: skip
    assert Facts.stored(facts | {"train_tokens": 9}, Path("run")).train_tokens == 9
    with pytest.raises(InputError, match=r"run: the study is damaged.*train_tokens"):
        Facts.stored(facts | {"train_tokens": tokens}, Path("run"))


@pytest.mark.parametrize(
    "field", ["tokens", "trials", "proposals", "confirm_tokens", "lowest_rung", "train_parameters"]
)
def test_a_search_of_any_size_is_refused_beyond_counting(field: str) -> None:
    for number in (10**19, 10**400):
        with pytest.raises(InputError, match=field) as caught:
            SearchConfig.checked({field: number})
        assert len(str(caught.value)) < 1000
