import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from nas_search.errors import InputError
from nas_search.proxies import short_training
from nas_search.proxies.data import Corpus
from nas_search.proxies.recipe import TrainingRecipe
from nas_search.proxies.rung_result import RungResult
from nas_search.proxies.short_training import thinned, train_rung, validation_loss
from nas_search.proxies.trunk import Trunk
from nas_search.proxies.windows import validation_windows
from nas_search.space.architecture import Architecture
from nas_search.space.model import HybridLM

RUNGS = (1024, 2048, 4096)
Train = Callable[..., RungResult]


@pytest.fixture
def train(architecture: Architecture, corpus: Corpus, recipe: TrainingRecipe, tmp_path: Path) -> Train:
    """``train_rung`` with defaults for all but the rung."""

    def call(
        rung: int, *, folder: str = "checkpoint", recipe: TrainingRecipe = recipe, **options: object
    ) -> RungResult:
        arguments = {"rungs": RUNGS, "seed": 0, "checkpoint_dir": tmp_path / folder, **options}
        return train_rung(architecture, corpus, recipe, rung=rung, **arguments)  # type: ignore[arg-type]

    return call


def _same(one: RungResult, other: RungResult) -> bool:
    return one.model_copy(update={"seconds": 0.0}) == other.model_copy(update={"seconds": 0.0})


def test_it_learns(train: Train) -> None:
    result = train(2)
    assert (result.rung, result.tokens, result.failure) == (2, 4096, None)
    assert result.bits_per_byte is not None
    assert result.curve[0][1] > 7.5
    assert result.bits_per_byte < 5
    assert result.curve[-1][0] == 4096


def test_resumed_rungs_are_bit_identical_to_a_single_run(train: Train, tmp_path: Path) -> None:
    for rung in range(3):
        resumed = train(rung, folder="resumed", keep_weights=tmp_path / f"resumed{rung}.safetensors")
        single = train(rung, folder=f"single{rung}", keep_weights=tmp_path / f"single{rung}.safetensors")
        assert _same(resumed, single)
        weights, expected = (
            load_file(tmp_path / f"resumed{rung}.safetensors"),
            load_file(tmp_path / f"single{rung}.safetensors"),
        )
        assert all(torch.equal(weights[name], expected[name]) for name in expected)


def test_rungs_go_on_with_all_techniques(train: Train, recipe: TrainingRecipe) -> None:
    asked = recipe.model_copy(update={"optimizer": "muon", "weight_norm": True})
    for rung in range(2):
        resumed = train(rung, folder="resumed", recipe=asked)
        assert _same(resumed, train(rung, folder=f"single{rung}", recipe=asked))
        assert not _same(resumed, train(rung, folder="other"))


def test_resuming_trains_only_what_is_missing(train: Train) -> None:
    train(1)
    seen: list[tuple[int, int]] = []
    train(2, progress=lambda done, total: seen.append((done, total)))
    # Rung 1 ends its trunk after 24 steps; 24 more of the trunk and 16 of the branch follow.
    assert seen == [(step * 64, 4096) for step in range(25, 65)]


def test_an_earlier_rung_than_the_checkpoint_starts_again(train: Train) -> None:
    expected = train(0, folder="other")
    train(1)
    assert _same(train(0), expected)


@pytest.mark.parametrize("change", ["seed", "recipe", "damage"])
def test_a_checkpoint_that_does_not_fit_is_not_used(
    train: Train, recipe: TrainingRecipe, tmp_path: Path, change: str
) -> None:
    train(0)
    options: dict[str, object] = {}
    if change == "seed":
        options["seed"] = 1
    elif change == "recipe":
        options["recipe"] = recipe.model_copy(update={"weight_decay": 0.5})
    else:
        path = tmp_path / "checkpoint/trunk.safetensors"
        path.write_bytes(path.read_bytes()[:-100])
    assert _same(train(1, **options), train(1, folder="fresh", **options))


def test_a_kill_between_save_and_score_leaves_a_valid_checkpoint(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = train(1, folder="undisturbed")
    with monkeypatch.context() as patch:
        patch.setattr(Trunk, "decay", _killed)
        with pytest.raises(KeyboardInterrupt):
            train(1)
    seen: list[int] = []
    assert _same(train(1, progress=lambda done, _: seen.append(done)), expected)
    assert len(seen) == 8


def test_a_kill_while_saving_keeps_the_last_trunk(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(0)
    before = (tmp_path / "checkpoint/trunk.safetensors").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", _killed)
        with pytest.raises(KeyboardInterrupt):
            train(1)
    assert [path.read_bytes() for path in (tmp_path / "checkpoint").iterdir()] == [before]
    assert _same(train(1), train(1, folder="undisturbed"))


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_seeds_differ(train: Train) -> None:
    assert train(0).bits_per_byte != train(0, folder="other", seed=1).bits_per_byte


def test_a_diverging_run_is_a_failed_result(train: Train, recipe: TrainingRecipe, tmp_path: Path) -> None:
    wild = recipe.model_copy(update={"learning_rate": math.inf, "weight_decay": 0.0})
    result = train(0, recipe=wild, keep_weights=tmp_path / "weights")
    assert result.bits_per_byte is None
    assert result.failure is not None
    assert result.failure.startswith("training loss became nan after")
    assert 0 < result.tokens < 1024
    assert not (tmp_path / "checkpoint").exists()
    assert not (tmp_path / "weights").exists()


def test_a_validation_loss_that_is_not_finite_is_a_failed_result(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trunk, "decay", lambda trunk, *_: trunk.model.norm.weight.data.fill_(math.nan))
    assert train(0).failure == "validation loss became nan"


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes."),
        torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate"),
    ],
)
@pytest.mark.parametrize("place", ["Trunk", "validation_loss"])
def test_memory_that_runs_out_is_a_failed_result(
    train: Train, monkeypatch: pytest.MonkeyPatch, error: Exception, place: str
) -> None:
    def exhausted(*_: object) -> None:
        raise error

    monkeypatch.setattr(short_training, place, exhausted)
    result = train(0)
    assert result.bits_per_byte is None
    assert result.failure is not None
    assert result.failure.startswith("out of memory")
    assert "\n" not in result.failure
    assert result.tokens == (0 if place == "Trunk" else 1024)


def test_what_torch_says_when_memory_runs_out_is_recognised(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trunk, "decay", lambda *_: torch.empty(1 << 58))
    failure = train(0).failure
    assert failure is not None
    assert failure.startswith("out of memory")


def test_another_runtime_error_is_not_hidden(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(Trunk, "decay", broken)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        train(0)


def test_kept_weights_give_the_score_again(
    train: Train, architecture: Architecture, corpus: Corpus, recipe: TrainingRecipe, tmp_path: Path
) -> None:
    path = tmp_path / "weights.safetensors"
    result = train(1, keep_weights=path)
    model = HybridLM(architecture)
    model.load_state_dict(load_file(path))
    windows = validation_windows(corpus.validation, recipe.sequence_length, recipe.validation_tokens)
    assert validation_loss(model, windows) / math.log(2) == pytest.approx(result.bits_per_byte, rel=1e-6)
    with safe_open(path, framework="pt") as file:
        assert file.metadata().items() >= {"architecture": architecture.notation, "tokens": "2048", "seed": "0"}.items()


def test_bits_per_byte_counts_the_bytes_of_a_token(
    architecture: Architecture, corpus: Corpus, recipe: TrainingRecipe, tmp_path: Path
) -> None:
    import dataclasses

    longer = dataclasses.replace(corpus, bytes_per_token=2.0)
    scores = [
        train_rung(architecture, c, recipe, rungs=RUNGS, rung=0, seed=0, checkpoint_dir=tmp_path).bits_per_byte
        for c in (corpus, longer)
    ]
    assert scores[0] is not None
    assert scores[1] == pytest.approx(scores[0] / 2)


def test_validation_loss_of_a_uniform_model(corpus: Corpus) -> None:
    model = HybridLM(Architecture.parse("w32 f"))
    torch.nn.init.zeros_(model.embedding)
    windows = validation_windows(corpus.validation, 16, 37 * 16)
    assert validation_loss(model, windows) == pytest.approx(math.log(256), rel=1e-6)


def test_a_vocabulary_smaller_than_the_tokens(corpus: Corpus, recipe: TrainingRecipe, tmp_path: Path) -> None:
    small = Architecture.parse("w32 vocab=100 f")
    with pytest.raises(InputError, match="write vocab=256"):
        train_rung(small, corpus, recipe, rungs=RUNGS, rung=0, seed=0, checkpoint_dir=tmp_path)


def test_thinned_curve() -> None:
    assert thinned([1.0, 3.0, 5.0, 7.0], points=2) == [(2, 2.0), (4, 6.0)]
    assert thinned([1.0, 3.0], points=50) == [(1, 1.0), (2, 3.0)]
    assert thinned([]) == []
