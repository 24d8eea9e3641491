"""Training at full length: the trainer of the rungs, whatever interrupts it."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from nas_search.errors import InputError, RunError
from nas_search.proxies.data import Corpus
from nas_search.proxies.full_training import FullTraining, train_fully, window_losses
from nas_search.proxies.recipe import TrainingRecipe
from nas_search.proxies.short_training import train_rung, validation_loss
from nas_search.proxies.trunk import Trunk
from nas_search.proxies.windows import validation_windows
from nas_search.space.architecture import Architecture
from nas_search.space.model import HybridLM

TOKENS = 2048  # 32 steps, of which 8 decay
Train = Callable[..., FullTraining]


class Interrupted(BaseException):
    """As Ctrl-C."""


@pytest.fixture
def train(architecture: Architecture, corpus: Corpus, recipe: TrainingRecipe, tmp_path: Path) -> Train:
    def call(
        folder: str = "run", tokens: int = TOKENS, *, stop_at: int | None = None, **options: float
    ) -> FullTraining:
        def progress(done: int, total: int) -> None:
            if done == stop_at:
                raise Interrupted

        return train_fully(
            architecture, corpus, recipe, tokens=tokens, seed=3, folder=tmp_path / folder, progress=progress,
            checkpoint_seconds=options.get("checkpoint_seconds", 0.0),
        )  # fmt: skip

    return call


def same_weights(one: FullTraining, other: FullTraining) -> bool:
    pairs = zip(one.trunk.model.parameters(), other.trunk.model.parameters(), strict=True)
    return all(torch.equal(left, right) for left, right in pairs)


def test_it_is_what_a_rung_of_as_many_tokens_is(
    train: Train, architecture: Architecture, corpus: Corpus, recipe: TrainingRecipe, tmp_path: Path
) -> None:
    trained = train()
    rung = train_rung(architecture, corpus, recipe, rungs=[TOKENS], rung=0, seed=3, checkpoint_dir=tmp_path / "rung")
    nats = math.fsum(trained.losses) / len(trained.losses)
    assert nats / math.log(2) / corpus.bytes_per_token == pytest.approx(rung.bits_per_byte, rel=1e-5)
    assert trained.trunk.tokens == TOKENS


@pytest.mark.parametrize("stops", [[64], [512], [1536], [1600], [2048], [320, 1536, 1792]])
def test_interrupted_and_undisturbed_are_the_same(train: Train, stops: list[int]) -> None:
    for stop in stops:
        with pytest.raises(Interrupted):
            train(stop_at=stop)
    resumed, undisturbed = train(), train("undisturbed")
    assert same_weights(resumed, undisturbed)
    assert resumed.trunk.losses == undisturbed.trunk.losses
    assert resumed.losses == undisturbed.losses


def test_what_was_done_is_not_done_again(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []
    step = Trunk._step

    def counted(self: Trunk, *arguments: object) -> None:
        steps.append(self.steps)
        step(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Trunk, "_step", counted)
    with pytest.raises(Interrupted):
        train(stop_at=1792)  # step 28; the decay begins at step 24
    assert steps == list(range(28))
    steps.clear()
    train()
    assert steps == list(range(steps[0], 32))
    assert steps[0] >= 24


def test_more_tokens_go_on_from_where_the_decay_began(train: Train, tmp_path: Path) -> None:
    train()
    longer, at_once = train(tokens=2 * TOKENS), train("at-once", tokens=2 * TOKENS)
    assert same_weights(longer, at_once)
    assert longer.trunk.tokens == 2 * TOKENS


def test_checkpoints_are_rare_where_steps_are_quick(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    saved: list[int] = []
    monkeypatch.setattr(
        "nas_search.proxies.full_training.save_trunk", lambda trunk, folder, identity: saved.append(trunk.steps)
    )
    train(checkpoint_seconds=3600.0)
    assert saved == [24, 32]


def test_progress_is_in_tokens_and_begins_where_it_resumes(
    architecture: Architecture, corpus: Corpus, recipe: TrainingRecipe, tmp_path: Path
) -> None:
    seen: list[tuple[int, int]] = []
    for tokens in (TOKENS, 2 * TOKENS):
        seen.clear()
        train_fully(
            architecture, corpus, recipe, tokens=tokens, seed=0, folder=tmp_path,
            progress=lambda done, total: seen.append((done, total)),
        )  # fmt: skip
    assert seen[0] == (24 * 64, 2 * TOKENS)
    assert seen[-1] == (2 * TOKENS, 2 * TOKENS)


def test_losses_of_windows_have_the_mean_that_rungs_report(corpus: Corpus, recipe: TrainingRecipe) -> None:
    model = HybridLM(Architecture.parse("w32 a f"))
    windows = validation_windows(corpus.validation, recipe.sequence_length, 40 * recipe.sequence_length)
    losses = window_losses(model, windows)
    assert len(losses) == len(windows) == 40
    assert math.fsum(losses) / 40 == pytest.approx(validation_loss(model, windows), rel=1e-6)
    assert losses[17] == pytest.approx(validation_loss(model, windows[17:18]), rel=1e-5)


def test_a_loss_that_is_not_finite_is_a_run_error(
    architecture: Architecture, corpus: Corpus, recipe: TrainingRecipe, tmp_path: Path
) -> None:
    wild = recipe.model_copy(update={"learning_rate": 1e30})
    with pytest.raises(RunError, match="a lower learning rate may help"):
        train_fully(architecture, corpus, wild, tokens=TOKENS, seed=0, folder=tmp_path)


def test_memory_that_runs_out_is_a_run_error(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(*_: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.")

    monkeypatch.setattr(Trunk, "_step", no_memory)
    with pytest.raises(RunError, match="out of memory"):
        train()


def test_tokens_within_the_warm_up_are_bad_input(train: Train) -> None:
    with pytest.raises(InputError, match="less than the warm-up"):
        train(tokens=128)
