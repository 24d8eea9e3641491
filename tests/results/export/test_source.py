"""What is exported: a trial with its own weights or none, never a twin's under another name."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from study_maker import make_study

from nas_search.errors import InputError
from nas_search.proxies.data import load_corpus
from nas_search.results.export.base import ExportSource
from nas_search.results.export.source import find_source
from nas_search.results.winner import write_winner
from nas_search.search.study import Study
from nas_search.space.architecture import Architecture
from nas_search.space.model import HybridLM


def assert_same_weights(source: ExportSource, expected: HybridLM) -> None:
    assert source.model is not None
    found, wanted = source.model.state_dict(), expected.state_dict()
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_the_winner_of_a_run_has_its_own_weights_and_confirmed_figures(kept_run: Path) -> None:
    winner = Study.open(kept_run).winner()
    assert winner is not None and winner.confirmed is not None and winner.confirmed.latency is not None
    source = find_source(kept_run).network(weights=True)
    assert source.architecture.notation == winner.architecture
    assert source.origin == f"trial {winner.number} of {kept_run}"
    assert (source.weights, source.tokenizer_name, source.data) == ("trained", "bytes", "embedded")
    assert_same_weights(source, HybridLM(source.architecture, seed=winner.number))
    figures = dict(source.figures)
    assert f"{winner.confirmed.latency.value:#.4g} ms/token measured end to end" in figures["latency"]
    assert f"n = {winner.confirmed.latency.n}" in figures["latency"]
    assert f"{winner.confirmed.bits_per_byte:.4f}, mean of 2 seeds" in figures["bits per byte"]
    assert figures["weights"] == f"those of seed {winner.confirmed.best.seed}, the best of 2"
    assert "predicted" not in str(source.figures)
    assert source.notes == (
        "It was trained briefly, to rank architectures: expect text that looks right and makes no sense.",
    )
    assert source.recipe == Study.open(kept_run).config.recipe


def test_another_member_has_its_own(kept_run: Path) -> None:
    source = find_source(kept_run, "trial=23").network(weights=True)
    assert_same_weights(source, HybridLM(Architecture.parse("w256 a a"), seed=23))


def test_without_weights_nothing_is_read(run: Path) -> None:
    shutil.rmtree(run / "checkpoints")
    source = find_source(run).network(weights=False)
    assert (source.weights, source.tokenizer_name) == ("none", "bytes")
    assert source.tokenizer is not None


def test_a_trial_without_weights_is_told_which_have_some(kept_run: Path) -> None:
    found = find_source(kept_run, "trial=5")
    with pytest.raises(InputError) as error:
        found.network(weights=True)
    message = str(error.value)
    assert "no weights of trial 5 are kept (trials with weights: 23, 26, 32, 39)" in message
    assert "--no-weights" in message
    assert f"nas-search export '{found.architecture.notation}'" in message


def test_an_unfinished_run_has_weights_of_nobody_and_says_so(unfinished_run: Path) -> None:
    found = find_source(unfinished_run, "knee")
    with pytest.raises(InputError, match="no other trial has any"):
        found.network(weights=True)
    source = found.network(weights=False)
    assert source.figures == ()
    assert source.notes[0] == "The run is unfinished: what it finds later may be better."
    assert "was not confirmed" in source.notes[1]
    assert "ms/token on decode:256 is predicted (table)" in source.notes[1]
    assert "bits per byte in one short training" in source.notes[1]


def test_a_duplicate_stands_for_the_trial_that_it_repeats(kept_run: Path) -> None:
    study = Study.open(kept_run)
    duplicate = next(record for record in study.records() if record.state == "duplicate")
    found = find_source(kept_run, f"trial={duplicate.number}")
    assert found.architecture.notation == duplicate.architecture
    assert f"Trial {duplicate.duplicate_of} (over_limit)" in found.specification().notes[0]
    assert "it had no loss." in found.specification().notes[0]


def test_a_twin_s_weights_are_never_those_of_the_architecture(twin_run: Path) -> None:
    winner = Study.open(twin_run).winner()
    assert winner is not None and winner.scored_as is not None
    source = find_source(twin_run).network(weights=True)
    assert source.architecture.notation == winner.architecture
    assert source.weights == "fresh"
    assert_same_weights(source, HybridLM(source.architecture))
    (note,) = source.notes
    assert "fresh" in note and winner.scored_as in note
    assert source.tokenizer is None and source.tokenizer_name is None and source.corpus is None
    names = [name for name, _ in source.figures]
    assert "bits per byte (twin)" in names and "bits per byte" not in names


def test_damaged_weights_are_bad_input(run: Path) -> None:
    winner = Study.open(run).winner()
    assert winner is not None and winner.confirmed is not None
    path = run / winner.confirmed.best.weights
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(InputError, match="no readable safetensors file"):
        find_source(run).network(weights=True)


def test_weights_of_another_network_are_bad_input(run: Path) -> None:
    confirmations = json.loads((run / "confirmations.json").read_text())
    del confirmations["sha256"]
    weights = sorted({score["weights"] for member in confirmations.values() for score in member["scores"]})
    sizes = {path: (run / path).stat().st_size for path in weights if (run / path).exists()}
    winner = Study.open(run).winner()
    assert winner is not None and winner.confirmed is not None
    own = winner.confirmed.best.weights
    other = next(path for path, size in sizes.items() if size != sizes[own])
    shutil.copy(run / other, run / own)
    with pytest.raises(InputError, match=r"parameters|not the weights of"):
        find_source(run).network(weights=True)


@pytest.mark.parametrize("text", ["w64 a f", "smollm2-1.7b"])
def test_an_architecture_needs_no_run(text: str) -> None:
    found = find_source(text)
    source = found.specification()
    assert (source.origin, source.weights, source.trained) == (text, "none", False)
    assert source.tokenizer_name == ("bytes" if source.architecture.vocabulary == 256 else None)


def test_an_architecture_has_fresh_weights_that_say_so(tmp_path: Path) -> None:
    file = tmp_path / "net.yaml"
    file.write_text(Architecture.parse("w32 d f").to_yaml())
    for what in ("w32 d f", str(file), file, Architecture.parse("w32 d f")):
        source = find_source(what).network(weights=True)
        assert_same_weights(source, HybridLM(Architecture.parse("w32 d f")))
        assert source.weights == "fresh"
        assert source.notes == ("The weights are fresh, from seed 0: nothing was trained.",)
        assert source.tokenizer is not None


def test_a_winner_s_folder_has_its_weights(run: Path) -> None:
    folder = write_winner(Study.open(run))
    source = find_source(folder).network(weights=True)
    assert source.weights == "trained" and source.tokenizer_name == "bytes"
    stored = load_file(folder / "model.safetensors")
    assert source.model is not None
    assert all(torch.equal(stored[name], weight) for name, weight in source.model.named_parameters())


def test_a_twin_s_folder_has_fresh_weights(twin_run: Path, tmp_path: Path) -> None:
    run = shutil.copytree(twin_run, tmp_path / "run")
    source = find_source(write_winner(Study.open(run))).network(weights=True)
    assert source.weights == "fresh" and source.tokenizer_name is None
    assert source.architecture.vocabulary == 1000
    assert "smaller twin" in source.notes[0]


def test_a_folder_with_an_architecture_alone_has_fresh_weights(tmp_path: Path) -> None:
    (tmp_path / "architecture.yaml").write_text(Architecture.parse("w32 d f").to_yaml())
    source = find_source(tmp_path).network(weights=True)
    assert source.weights == "fresh" and source.tokenizer_name == "bytes"
    assert "there are none in the folder" in source.notes[0]


def test_damaged_weights_in_a_folder_are_bad_input(tmp_path: Path) -> None:
    (tmp_path / "architecture.yaml").write_text(Architecture.parse("w32 d f").to_yaml())
    (tmp_path / "model.safetensors").write_bytes(b"\x80\x04pickle")
    with pytest.raises(InputError, match="no readable safetensors file"):
        find_source(tmp_path).network(weights=True)


@pytest.fixture
def bpe_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run on a text of its own, in tokens learnt from it, with nothing kept but the study."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    text = tmp_path / "text.txt"
    text.write_text("".join(f"{index} little ducks went out one day\n" for index in range(3000)))
    corpus = load_corpus(str(text), "bpe:300")
    (tmp_path / "bpe").mkdir()
    fields: dict[str, Any] = {"data": str(text), "tokenizer": "bpe:300", "corpus": corpus.hash}
    return make_study(tmp_path / "bpe", proposals=12, vocabulary=300, **fields).run_dir


def test_a_tokenizer_is_made_again_from_the_text(bpe_run: Path) -> None:
    source = find_source(bpe_run).network(weights=False)
    assert source.tokenizer is not None and source.tokenizer.vocabulary == 300
    assert source.tokenizer_name == "bpe:300"
    assert source.corpus == Study.open(bpe_run).facts.corpus  # type: ignore[union-attr]


def test_a_changed_text_is_a_lost_tokenizer(bpe_run: Path) -> None:
    text = Path(Study.open(bpe_run).config.data)
    text.write_text(text.read_text().replace("ducks", "geese"))
    source = find_source(bpe_run).network(weights=False)
    assert source.tokenizer is None
    assert "the tokenizer that was made from it is lost" in source.notes[-1]
    text.unlink()
    assert find_source(bpe_run).network(weights=False).tokenizer is None


@pytest.mark.parametrize(
    ("what", "pick", "message"),
    [
        ("w64 a zz", None, "unknown operator 'zz'"),
        ("w64 a f", "knee", "'w64 a f' is no run"),
        ("missing-folder", None, "is no notation"),
        ("a " * 400 + "(", None, "column"),
    ],
)
def test_what_is_not_there_is_bad_input(what: str, pick: str | None, message: str) -> None:
    with pytest.raises(InputError) as error:
        find_source(what, pick)
    assert message in str(error.value)


def test_a_folder_of_something_else_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"neither a run \(no config.yaml in it\) nor a network"):
        find_source(tmp_path)
    (tmp_path / "architecture.yaml").write_text(Architecture.parse("w32 d f").to_yaml())
    with pytest.raises(InputError, match="is no run"):
        find_source(tmp_path, "knee")
