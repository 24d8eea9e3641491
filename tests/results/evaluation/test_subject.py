"""Whose weights are evaluated."""

from pathlib import Path

import pytest
from eval_maker import make_network, save_winner
from study_maker import make_study

from nas_search.errors import InputError
from nas_search.proxies.twin import TwinRule
from nas_search.results.evaluation.subject import find_subject
from nas_search.results.winner_files import WEIGHTS_FILE


def test_a_folder_with_a_network(tmp_path: Path) -> None:
    subject = find_subject(make_network(tmp_path / "net"))
    assert subject.loaded.architecture.notation == "w32 a f m2 f"
    assert (subject.folder, subject.weights) == (tmp_path / "net", tmp_path / "net" / WEIGHTS_FILE)
    assert subject.trained_length is None
    before = subject.weights_hash
    subject.weights.write_bytes(subject.weights.read_bytes() + b" ")
    assert subject.weights_hash != before


def test_the_winner_of_a_run(tmp_path: Path) -> None:
    study = make_study(tmp_path, proposals=12)
    save_winner(study)
    winner = study.winner()
    assert winner is not None
    subject = find_subject(tmp_path)
    assert subject.origin == f"trial {winner.number} of {tmp_path}"
    assert subject.loaded.architecture.notation == winner.architecture
    assert subject.loaded.twin_of is None
    assert (subject.folder, subject.trained_length) == (tmp_path, study.config.recipe.sequence_length)
    assert find_subject(tmp_path, f"trial={winner.number}").weights == subject.weights
    with pytest.raises(InputError, match=f"no weights of trial 0 are kept; .* with weights: trial={winner.number}"):
        find_subject(tmp_path, "trial=0")


def test_a_twin_is_evaluated_in_place_of_what_it_stands_for(tmp_path: Path) -> None:
    twins = TwinRule(widths={64: 32, 96: 64, 128: 96, 192: 128, 256: 160}, vocabulary=256)
    study = make_study(tmp_path, proposals=12, elsewhere="table", twins=twins, vocabulary=1000)
    save_winner(study)
    winner, subject = study.winner(), find_subject(tmp_path)
    assert winner is not None and winner.scored_as is not None
    assert subject.loaded.architecture.notation == winner.scored_as
    assert subject.loaded.twin_of is not None
    assert subject.loaded.twin_of.notation == winner.architecture


def test_what_cannot_be_evaluated_is_said(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "empty").mkdir()
    make_study(tmp_path / "run", proposals=12)
    changed = make_network(tmp_path / "changed")
    (changed / WEIGHTS_FILE).unlink()
    for what, message in [
        ("run", r"no weights of trial \d+ are kept; no trial has any"),
        ("gone", "no such folder; give a run"),
        ("empty", "neither a run"),
        ("changed", "no readable safetensors file"),
    ]:
        with pytest.raises(InputError, match=message):
            find_subject(tmp_path / what)
    with pytest.raises(InputError, match="no such folder; give a run"):
        find_subject("w32 a f")
    with pytest.raises(InputError, match="is no run"):
        find_subject(make_network(tmp_path / "net"), "knee")


def test_a_tokenizer_that_is_lost(tmp_path: Path) -> None:
    study = make_study(tmp_path, proposals=12, tokenizer="bpe:400", data=str(tmp_path / "text.txt"))
    save_winner(study)
    with pytest.raises(InputError, match=r"text.txt' has changed or is gone, and the tokenizer"):
        find_subject(tmp_path)
