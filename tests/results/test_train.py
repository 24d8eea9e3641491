"""A network trained at full length: a folder that loads, goes on, and is nobody else's."""

import errno
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import nas_search
from nas_search.errors import InputError, RunError
from nas_search.proxies.data import load_corpus
from nas_search.proxies.full_training import window_losses
from nas_search.proxies.training_plan import TrainingPlan
from nas_search.proxies.windows import validation_windows
from nas_search.results.export.source import find_source
from nas_search.results.train import read_plan, train_plan
from nas_search.results.training_result import RESULT_FILE, TrainingResult, read_result
from nas_search.search.lock import RunLock
from nas_search.space.architecture import Architecture

RECIPE = {"sequence_length": 32, "batch": 2, "warmup_tokens": 256, "validation_tokens": 512, "learning_rate": 5e-3}
Train = Callable[..., TrainingResult]


@pytest.fixture
def fields(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A plan on a text of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    text = tmp_path / "rhyme.txt"
    text.write_text("".join(f"{index % 10} little ducks went out one day\n" for index in range(2000)))
    return {"architecture": "w32 a f m2", "data": str(text), "tokens": 2048, "device": "cpu", "recipe": RECIPE}


@pytest.fixture
def notes() -> list[str]:
    return []


@pytest.fixture
def train(fields: dict[str, Any], tmp_path: Path, notes: list[str]) -> Train:
    def call(out: Path = tmp_path / "out", **changes: Any) -> TrainingResult:
        plan = TrainingPlan.checked(fields | changes, "plan")
        return train_plan(plan, out, progress=lambda done, total: None, note=notes.append)

    return call


def test_the_folder_loads_and_is_what_was_scored(train: Train, tmp_path: Path, fields: dict[str, Any]) -> None:
    result = train()
    loaded = nas_search.load(tmp_path / "out")
    assert loaded.architecture.notation == "w32 a f m2"
    assert loaded.generate_text("1 little ", new_tokens=4).startswith("1 little ")
    windows = validation_windows(load_corpus(fields["data"]).validation, 32, 512)
    losses = window_losses(loaded.model, windows)
    assert math.fsum(losses) / len(losses) / math.log(2) == pytest.approx(result.bits_per_byte, rel=1e-6)
    assert result == read_result(tmp_path / "out")
    assert (result.tokens, result.windows, result.validation_tokens) == (2048, 16, 512)
    assert result.low is not None and result.high is not None
    assert result.low < result.bits_per_byte < result.high
    assert read_plan(tmp_path / "out").corpus == result.corpus
    card = (tmp_path / "out" / "README.md").read_text()
    assert f"{result.bits_per_byte:.4f} (95 % interval over windows" in card
    assert "n = 16 held-out windows with 512 tokens, one seed" in card


def test_the_card_s_snippet_runs(train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train()
    code = (tmp_path / "out" / "README.md").read_text().split("```python\n")[1].split("```")[0]
    exec(code.replace("new_tokens=200", "new_tokens=2"), {})
    assert capsys.readouterr().out.startswith("import ")


def test_a_trained_folder_exports_with_its_weights_and_figures(train: Train, tmp_path: Path) -> None:
    result = train()
    source = find_source(tmp_path / "out").network(weights=True)
    assert source.weights == "trained" and source.tokenizer_name == "bytes"
    assert source.figures == result.rows
    assert source.corpus == result.corpus and source.recipe is not None and source.recipe.sequence_length == 32


def test_a_bpe_travels_with_the_weights(train: Train, tmp_path: Path) -> None:
    train(architecture="w32 vocab=278 a f", tokenizer="bpe:300")  # there are no more pairs in the text
    assert nas_search.load(tmp_path / "out").tokenizer.vocabulary == 278


def test_the_same_again_is_not_trained_again(
    train: Train, tmp_path: Path, notes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = train()
    monkeypatch.setattr("nas_search.proxies.full_training.train_fully", None)
    assert train() == first
    assert notes == [f"{tmp_path / 'out'}: trained before"]


def test_more_tokens_go_on(train: Train, tmp_path: Path) -> None:
    first, longer = train(), train(tokens=4096)
    assert longer.tokens == 4096
    assert longer.bits_per_byte < first.bits_per_byte
    assert longer == train(tmp_path / "at-once", tokens=4096)
    assert [path.name for path in (tmp_path / "out" / "checkpoints").iterdir()] == ["trunk"]


def test_fewer_tokens_are_another_training(train: Train) -> None:
    train()
    with pytest.raises(InputError, match="begun for 2,048 tokens; give at least as many"):
        train(tokens=1024)


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"seed": 1}, "seed"), ({"architecture": "w32 a"}, "architecture"), ({"recipe": RECIPE | {"batch": 4}}, "recipe")],
)
def test_another_recipe_is_another_folder(train: Train, tmp_path: Path, changes: dict[str, Any], field: str) -> None:
    train()
    with pytest.raises(InputError, match=f"begun with another {field}"):
        train(**changes)
    shutil.rmtree(tmp_path / "out" / "checkpoints")
    with pytest.raises(InputError, match=f"begun with another {field}"):
        train(**changes)


def test_where_nothing_was_saved_another_recipe_is_welcome(train: Train) -> None:
    with pytest.raises(RunError, match="a lower learning rate may help"):
        train(recipe=RECIPE | {"learning_rate": 1e300})
    assert train().tokens == 2048


def test_killed_before_the_architecture_is_written_it_is_written_later(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(self: Architecture) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Architecture, "to_yaml", killed)
        train()
    assert train() == read_result(tmp_path / "out")
    assert nas_search.load(tmp_path / "out").architecture.notation == "w32 a f m2"


def test_a_text_that_changed_is_another_folder(train: Train, fields: dict[str, Any]) -> None:
    train()
    text = Path(fields["data"])
    text.write_text(text.read_text().replace("ducks", "geese"))
    with pytest.raises(InputError, match="has changed since the training began"):
        train(tokens=4096)


def test_another_text_than_the_search_s_is_told(train: Train, notes: list[str]) -> None:
    result = train(corpus="c0ffee")
    assert "not the text of the recipe" in notes[0] and result.corpus in notes[0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architecture": "w32 vocab=300 a"}, "256 different tokens as bytes, but the architecture has 300"),
        ({"data": "nowhere.txt"}, "nowhere.txt"),
        ({"tokens": 64}, "less than the warm-up"),
        ({"recipe": RECIPE | {"sequence_length": 50_000, "warmup_tokens": 0}}, "tokens; windows of 50000 need"),
        ({"tokenizer": "words"}, "tokenizer 'words'"),
    ],
)
def test_bad_input_leaves_nothing_behind(train: Train, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        train(**changes)
    assert not (tmp_path / "out").exists()


def test_a_folder_of_something_else_is_left_alone(train: Train, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty and not the folder of a training"):
        train()
    with pytest.raises(InputError, match="a file"):
        train(tmp_path / "out" / "notes.txt")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["notes.txt"]


def test_one_training_at_a_time(train: Train, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with RunLock(tmp_path / "out" / "train.lock"), pytest.raises(InputError, match="another training is running"):
        train()


def test_a_full_disk_is_a_run_error_and_goes_on_later(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(RunError, match="disk full; make room"):
        patch.setattr("nas_search.proxies.checkpoint.save_weights", full)
        train()
    assert not (tmp_path / "out" / "architecture.yaml").exists()
    assert train() == train(tmp_path / "undisturbed")


def test_a_damaged_result_is_none(train: Train, tmp_path: Path) -> None:
    train()
    (tmp_path / "out" / RESULT_FILE).write_text('{"architecture": 3}')
    assert read_result(tmp_path / "out") is None
    assert read_result(tmp_path) is None
    assert train() == read_result(tmp_path / "out")
