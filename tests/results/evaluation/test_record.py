"""Scores are kept beside each other, and those of the same question replace each other."""

from pathlib import Path
from typing import Any

import pytest

from nas_search.errors import InputError
from nas_search.results.evaluation.record import (
    EVALUATION_FILE,
    Evaluation,
    Score,
    Settings,
    keep_evaluation,
    read_evaluations,
)


def evaluation(value: float | None = 0.5, **fields: Any) -> Evaluation:
    score = Score(
        task="t", version="1", metric="acc", filter="none", value=value, stderr=None, n=4, shots=0,
        higher_is_better=True,
    )  # fmt: skip
    known: dict[str, Any] = {
        "origin": "trial 1 of runs/x", "architecture": "w32 a f", "parameters": 9, "twin_of": None,
        "weights_hash": "abc", "tokenizer": "bytes", "settings": Settings(tasks=("t",)), "cut": 0, "longest": 9,
        "trained_length": None, "device": "cpu", "versions": {}, "scores": (score,),
    }  # fmt: skip
    return Evaluation(**(known | fields))


def test_the_same_question_is_answered_once(tmp_path: Path) -> None:
    assert read_evaluations(tmp_path) == []
    other = evaluation(settings=Settings(tasks=("t",), shots=5))
    for one in (evaluation(0.1), other, evaluation(0.2), evaluation(0.3, weights_hash="abd")):
        assert keep_evaluation(tmp_path, one) == tmp_path / EVALUATION_FILE
    assert read_evaluations(tmp_path) == [other, evaluation(0.2), evaluation(0.3, weights_hash="abd")]
    assert [path.name for path in tmp_path.iterdir()] == [EVALUATION_FILE]


def test_no_number_is_kept_as_none(tmp_path: Path) -> None:
    keep_evaluation(tmp_path, evaluation(None))
    assert read_evaluations(tmp_path)[0].scores[0].value is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"evaluations": [{}]}'])
def test_a_damaged_file_is_said_and_left_alone(tmp_path: Path, text: str) -> None:
    (tmp_path / EVALUATION_FILE).write_text(text)
    with pytest.raises(InputError, match=r"evaluation.json: damaged \(.*; move it away"):
        keep_evaluation(tmp_path, evaluation())
    assert (tmp_path / EVALUATION_FILE).read_text() == text


def test_notes_say_what_a_score_does_not() -> None:
    assert evaluation().notes == []
    assert evaluation(trained_length=9).notes == []
    (twin,) = evaluation(twin_of="w2048 a f").notes
    assert "w32 a f, trained in place of w2048 a f" in twin
    cut, long = evaluation(cut=3, trained_length=8).notes
    assert cut.startswith("3 contexts were longer than 2,048 tokens")
    assert long.startswith("Up to 9 tokens were read at once; the training read 8")
