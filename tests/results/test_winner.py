"""A winner's folder: written, loaded, and refused when it is damaged."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save
from safetensors.torch import save_file
from study_maker import make_study

from nas_search.errors import InputError, RunError
from nas_search.files import write_atomic
from nas_search.proxies.checksum import CHECKSUM_KEY, checksum
from nas_search.proxies.data import load_corpus
from nas_search.results.card import winner_card
from nas_search.results.markdown import inline
from nas_search.results.winner import load_winner, write_winner
from nas_search.search.study import Study
from nas_search.space.architecture import Architecture
from nas_search.space.model import HybridLM


def save_weights(study: Study) -> HybridLM:
    """Fresh weights where the winner's training would have left its own."""
    winner, path = study.winner(), study.winner_weights()
    assert winner is not None and path is not None
    model = HybridLM(Architecture.parse(winner.trained_as), seed=5)
    path.parent.mkdir(exist_ok=True)
    save_file({name: weight.detach().contiguous() for name, weight in model.named_parameters()}, path)
    return model


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, HybridLM, Study]:
    study = make_study(tmp_path_factory.mktemp("run"), proposals=12)
    model = save_weights(study)
    return write_winner(study), model, study


@pytest.fixture
def folder(written: tuple[Path, HybridLM, Study], tmp_path: Path) -> Path:
    return shutil.copytree(written[0], tmp_path / "winner")


def test_round_trip(written: tuple[Path, HybridLM, Study]) -> None:
    path, model, study = written
    loaded = load_winner(path)
    winner = study.winner()
    assert winner is not None
    assert loaded.architecture.notation == winner.architecture
    tokens = torch.arange(24)[None]
    with torch.no_grad():
        assert torch.equal(loaded.model(tokens), model.eval()(tokens))


def test_generated_text_depends_on_the_seed_alone(folder: Path) -> None:
    loaded = load_winner(str(folder))
    text = loaded.generate_text("def ", new_tokens=16, seed=1)
    assert text.startswith("def ")
    assert text == load_winner(folder).generate_text("def ", new_tokens=16, seed=1)
    assert text != loaded.generate_text("def ", new_tokens=16, seed=2)


def test_empty_prompt_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="prompt is empty"):
        load_winner(folder).generate_text("")


def test_card_has_confirmed_figures_only(written: tuple[Path, HybridLM, Study]) -> None:
    path, _, study = written
    winner = study.winner()
    assert winner is not None and winner.confirmed is not None
    card = (path / "README.md").read_text(encoding="utf-8")
    latency = winner.confirmed.latency
    assert latency is not None
    for figure in (latency.value, latency.low, latency.high):
        assert f"{figure:#.4g}" in card
    assert f"n = {latency.n}" in card
    for score in winner.confirmed.scores:
        assert f"seed {score.seed}: {score.bits_per_byte:.4f}" in card
    assert f"{winner.confirmed.bits_per_byte:.4f}, mean of 2 seeds" in card
    assert f"{winner.latency_ms:#.4g} " not in card
    assert f"{winner.bits_per_byte:.4f}" not in card
    assert "twin" not in card and "predicted" not in card
    assert inline(study.table.device.description) in card
    assert f'nas_search.load("{path.as_posix()}")' in card


def test_a_further_figure_is_in_the_card(three: Study) -> None:
    winner = three.winner()
    assert winner is not None and winner.confirmed is not None
    card = winner_card(three, winner, winner.confirmed, "winner")
    for quantity in three.goals.further:
        measured = winner.measured(quantity.name)
        source = "predicted (table)" if measured is None else "measured end to end"
        (row,) = (line for line in card.splitlines() if line.startswith(f"| {quantity.name} |"))
        assert source in row and quantity.unit in row
    assert "memory:1024 ≤ 3.000 MiB" in card


def test_a_twins_folder_has_both_architectures_and_loads_the_twin(remote: Study) -> None:
    model, winner = save_weights(remote), remote.winner()
    assert winner is not None and winner.confirmed is not None
    folder = write_winner(remote)
    assert Architecture.from_yaml((folder / "architecture.yaml").read_text()).notation == winner.architecture
    loaded = load_winner(folder)
    assert loaded.architecture.notation == winner.scored_as
    assert loaded.twin_of is not None and loaded.twin_of.notation == winner.architecture
    tokens = torch.arange(24)[None]
    with torch.no_grad():
        assert torch.equal(loaded.model(tokens), model.eval()(tokens))
    assert loaded.generate_text("def ", new_tokens=4).startswith("def ")
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert f"twin**, `{winner.scored_as}`" in card
    assert "# the twin" in card
    assert f"{winner.latency_ms:#.4g} ms/token, predicted (table): not measured" in card
    assert "h100 (Example GPU)" in card
    assert "measured end to end" not in card


def test_the_winner_itself_is_no_twin(written: tuple[Path, HybridLM, Study]) -> None:
    assert load_winner(written[0]).twin_of is None


def test_snippet_of_the_card_runs(written: tuple[Path, HybridLM, Study], capsys: pytest.CaptureFixture[str]) -> None:
    card = (written[0] / "README.md").read_text(encoding="utf-8")
    code = card.split("```python\n")[1].split("```")[0]
    exec(code.replace("new_tokens=200", "new_tokens=4"), {})
    assert capsys.readouterr().out.startswith("import ")


def test_writing_again_replaces_the_folder(written: tuple[Path, HybridLM, Study]) -> None:
    path, _, study = written
    (path / "stale.txt").write_text("old")
    assert write_winner(study) == path
    assert sorted(file.name for file in path.iterdir()) == ["README.md", "architecture.yaml", "model.safetensors"]
    assert not [file for file in study.run_dir.iterdir() if file.name.startswith(".winner")]


def test_no_winner_is_a_run_error(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no confirmed winner"):
        write_winner(make_study(tmp_path, proposals=8, confirm=False))
    assert not list(tmp_path.glob("*winner*"))


def test_a_flipped_bit_in_the_weights_is_a_run_error(tmp_path: Path) -> None:
    study = make_study(tmp_path, proposals=8)
    weights = study.winner_weights()
    assert weights is not None
    weights.parent.mkdir(exist_ok=True)
    tensors = {"norm.weight": np.ones(4, dtype=np.float32)}
    kept = {CHECKSUM_KEY: checksum({name: tensor.data for name, tensor in tensors.items()})}
    write_atomic(weights, save(tensors, kept))
    write_winner(study)
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(RunError, match="damaged; without that file the same search trains them again"):
        write_winner(study)


def test_lost_weights_are_a_run_error(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="cannot be read"):
        write_winner(make_study(tmp_path, proposals=8))
    assert not list(tmp_path.glob("*winner*"))


def _truncate(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


def _other_architecture(folder: Path) -> None:
    (folder / "architecture.yaml").write_text(Architecture.parse("w64 a f").to_yaml())


def _huge_architecture(folder: Path) -> None:
    (folder / "architecture.yaml").write_text("width: 1048576\noperators: (a f)x64\n")


def _other_names(folder: Path) -> None:
    count = load_winner(folder).architecture.parameters
    save_file({"weights": torch.zeros(count)}, folder / "model.safetensors", {"tokenizer": "bytes"})


def _no_tokenizer(folder: Path) -> None:
    model = load_winner(folder).model
    weights = {name: weight.clone() for name, weight in model.named_parameters()}
    save_file(weights, folder / "model.safetensors", {"tokenizer": "bpe:300"})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "architecture.yaml").unlink(), "no winner's folder"),
        (lambda folder: (folder / "architecture.yaml").write_bytes(b"\xff\xfe"), "no winner's folder"),
        (lambda folder: (folder / "architecture.yaml").write_text("width: [1"), "not YAML"),
        (lambda folder: (folder / "model.safetensors").unlink(), "no readable safetensors"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"\x80\x04pickle"), "no readable safetensors"),
        (_truncate, "no readable safetensors"),
        (_other_architecture, "parameters"),
        (_huge_architecture, "parameters"),
        (_other_names, "not the weights of"),
        (_no_tokenizer, "no readable tokenizer"),
    ],
)
def test_a_damaged_folder_is_bad_input(folder: Path, damage: Callable[[Path], object], message: str) -> None:
    damage(folder)
    with pytest.raises(InputError, match=message) as error:
        load_winner(folder)
    assert "\n" not in str(error.value)


def test_a_missing_folder_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no winner's folder"):
        load_winner(tmp_path / "nowhere")


def test_a_byte_pair_tokenizer_travels_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    text = tmp_path / "text.txt"
    text.write_text("".join(f"{n} the quick brown fox jumps over the lazy dog {n * n}\n" for n in range(3000)))
    corpus = load_corpus(str(text), "bpe:400")
    (tmp_path / "run").mkdir()
    study = make_study(
        tmp_path / "run",
        proposals=8,
        corpus=corpus.hash,
        vocabulary=corpus.vocabulary,
        data=str(text),
        tokenizer="bpe:400",
    )
    save_weights(study)
    loaded = load_winner(write_winner(study))
    assert loaded.tokenizer.encode("the quick fox").tolist() == corpus.tokenizer.encode("the quick fox").tolist()
    assert loaded.generate_text("the quick", new_tokens=3).startswith("the quick")

    text.write_text(text.read_text() * 2)
    with pytest.raises(RunError, match="changed since the search"):
        write_winner(study)
