"""Trials in memory: small, and saying what they said."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.storages import JournalStorage
from optuna.trial import create_trial

from nas_search.search.journal_file import JournalFile
from nas_search.search.slim import decode, share

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(TEXTS, inside, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_decoding_changes_nothing(value: object) -> None:
    assert decode(json.dumps(value).encode() + b"\n") == value


def test_texts_that_come_again_are_the_same_object() -> None:
    lines = [b'{"genome": {"width": 64, "first": "swa[window=64]"}, "note": "%s"}' % (b"x" * 40)] * 2
    one, other = (decode(line) for line in lines)
    assert [id(name) for name in one["genome"]] == [id(name) for name in other["genome"]]
    assert one["genome"]["first"] is other["genome"]["first"]
    assert one["note"] == other["note"] and one["note"] is not other["note"]


@pytest.mark.parametrize("line", [b"{", b'{"a": 1} 2', b"\xff\xfe", b""])
def test_damaged_lines_raise(line: bytes) -> None:
    with pytest.raises(ValueError):
        decode(line)


def test_finished_trials_share_what_is_equal() -> None:
    genes: dict[str, BaseDistribution] = {"width": CategoricalDistribution((64, 128))}
    candidate = {"genome": {"width": 64}, "fate": "train"}
    trial = create_trial(value=1.0, params={"width": 64}, distributions={"width": CategoricalDistribution((64, 128))})
    share(trial, genes, candidate)
    assert trial.distributions is genes
    assert candidate["genome"] is trial.params and trial.params == {"width": 64}


def test_what_differs_is_left_alone() -> None:
    other: dict[str, BaseDistribution] = {"width": CategoricalDistribution((64, 256))}
    candidate = {"genome": {"width": 256}}
    trial = create_trial(value=1.0, params={"width": 64}, distributions={"width": CategoricalDistribution((64, 128))})
    share(trial, other, candidate)
    assert trial.distributions != other and candidate == {"genome": {"width": 256}}
    share(trial, other, None)


def test_reading_goes_on_where_it_ended(tmp_path: Path) -> None:
    backend = JournalFile(tmp_path / "study.journal")
    logs = [{"op_code": 2, "n": number} for number in range(5)]
    backend.append_logs(logs[:2])
    assert numbers(backend, 0) == [0, 1] and numbers(backend, 2) == []
    backend.append_logs(logs[2:])
    assert numbers(backend, 2) == [2, 3, 4]
    assert numbers(backend, 0) == [0, 1, 2, 3, 4] and numbers(backend, 4) == [4]


def test_a_line_that_is_being_written_is_read_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "study.journal"
    backend = JournalFile(path)
    backend.append_logs([{"op_code": 2, "n": 0}])
    with path.open("ab") as file:
        file.write(b'{"op_code":2,')
    assert numbers(backend, 0) == [0] and numbers(backend, 1) == []
    with path.open("ab") as file:
        file.write(b'"n":1}\n')
    assert numbers(backend, 1) == [1]


def test_damage_is_an_error_unless_it_is_the_end(tmp_path: Path) -> None:
    path = tmp_path / "study.journal"
    backend = JournalFile(path)
    path.write_bytes(b'{"op_code":2,"n":0}\nnonsense\n')
    assert numbers(backend, 0) == [0]
    with path.open("ab") as file:
        file.write(b'{"op_code":2,"n":2}\n')
    with pytest.raises(ValueError):
        numbers(backend, 1)


def test_optuna_reads_what_it_wrote(tmp_path: Path) -> None:
    storage = JournalStorage(JournalFile(tmp_path / "study.journal"))
    study = storage.create_new_study([1], "one")
    numbers_given = [storage.create_new_trial(study) for _ in range(3)]
    again = JournalStorage(JournalFile(tmp_path / "study.journal"))
    assert [trial._trial_id for trial in again.get_all_trials(study)] == numbers_given


def numbers(backend: JournalFile, first: int) -> list[int]:
    return [log["n"] for log in backend.read_logs(first)]
