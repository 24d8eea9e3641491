"""Recall: questions that can be answered, the same for every network, and answered by what can look back."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nas_search.errors import InputError, RunError
from nas_search.proxies.recall import Recall, accuracy, measure_recall, rate_factor, recall_result, train_on
from nas_search.proxies.recall_result import RecallResult
from nas_search.proxies.recall_tasks import (
    NO_ANSWER,
    TASKS,
    AssociativeRecall,
    Needle,
    Questions,
    is_task,
    parse_task,
)
from nas_search.proxies.recipe import TrainingRecipe
from nas_search.space.architecture import Architecture
from nas_search.space.model import HybridLM
from nas_search.space.operators.registry import operator_types


@given(st.integers(1, 6), st.integers(0, 30), st.integers(6, 9), st.integers(0, 99))
def test_every_answer_follows_its_key_earlier(pairs: int, more: int, kinds: int, seed: int) -> None:
    task = AssociativeRecall(2 * pairs + 1 + more, pairs, kinds)
    tokens, answers = task.draw(5, np.random.default_rng(seed))
    assert tokens.shape == answers.shape == (5, task.length)
    assert (answers[:, : 2 * pairs] == NO_ANSWER).all() and (answers[:, 2 * pairs :] != NO_ANSWER).all()
    for row, wanted in zip(tokens, answers, strict=True):
        known = dict(zip(row[: 2 * pairs : 2], row[1 : 2 * pairs : 2], strict=True))
        assert len(known) == len(set(known.values())) == pairs
        assert set(known) <= set(range(kinds)) and set(known.values()) <= set(range(kinds, 2 * kinds))
        assert [known[key] for key in row[2 * pairs :]] == list(wanted[2 * pairs :])
        _, times = np.unique(row[2 * pairs :], return_counts=True)
        assert times.max() - times.min() <= 1


@given(st.integers(1, 4), st.integers(0, 50), st.integers(0, 99))
def test_a_needle_is_early_and_asked_for_late(pairs: int, more: int, seed: int) -> None:
    task = Needle(8 * pairs + more, pairs, kinds=8)
    tokens, answers = task.draw(5, np.random.default_rng(seed))
    assert (answers[:, :-1] == NO_ANSWER).all()
    for row, answer in zip(tokens, answers[:, -1], strict=True):
        (early, late) = np.flatnonzero(row == row[-1])
        assert early < task.length / 4 and late == task.length - 1
        assert row[early + 1] == answer and 8 <= answer < 16
        assert (row < 16).sum() == 2 * pairs + 1


@pytest.mark.parametrize(
    ("task", "sizes", "message"),
    [
        ("associative", {"length": 16, "pairs": 8}, "8 pairs and a question need a length of 17"),
        ("associative", {"pairs": 33}, "33 pairs; 1 to 32 are possible"),
        ("associative", {"pairs": 0}, "0 pairs"),
        ("needle", {"length": 7}, "1 pairs for a needle need a length of 8"),
    ],
)
def test_tasks_that_cannot_be_made(task: str, sizes: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        TASKS[task](**sizes)


def test_attention_recalls_and_feed_forward_layers_guess() -> None:
    task = AssociativeRecall(length=16, pairs=2, kinds=16)
    attention, feed_forward = (
        measure_recall(Architecture.parse(f"w32 {layer} {layer}"), task, steps=120, seeds=(0,))
        for layer in ("a[heads=4,kv=4]", "f")
    )
    # Attention that has only learned which values there are, and not which belongs to the key, is right in a half.
    assert attention.mean > 0.3
    assert feed_forward.mean < 2.5 * feed_forward.chance == 0.15625


def test_the_same_seed_gives_the_same_and_every_network_the_same_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[np.ndarray] = []
    draw = AssociativeRecall.draw

    def record(task: AssociativeRecall, count: int, rng: np.random.Generator) -> Questions:
        questions = draw(task, count, rng)
        seen.append(questions.tokens)
        return questions

    monkeypatch.setattr(AssociativeRecall, "draw", record)
    task = AssociativeRecall(length=9, pairs=2, kinds=4)
    calls: list[tuple[int, int]] = []
    report = lambda done, total: calls.append((done, total))  # noqa: E731
    found = [
        measure_recall(Architecture.parse(text), task, steps=3, seeds=(0, 1), progress=report)
        for text in ("w16 f", "w16 f", "w16 m2")
    ]
    assert found[0] == found[1]
    assert calls[:6] == [(done, 6) for done in range(1, 7)]
    first, second, third = (seen[start : start + 8] for start in (0, 8, 16))
    for one, two, three in zip(first, second, third, strict=True):
        assert (one == two).all() and (one == three).all()
    assert not (first[0] == first[4]).all()


@pytest.mark.parametrize("code", sorted(operator_types()))
def test_every_operator_can_be_asked(code: str) -> None:
    architecture = Architecture.parse(f"w32 vocab=5000 meta=2 {code}")
    found = measure_recall(architecture, Needle(length=16), steps=1, seeds=(0,))
    assert found.architecture == architecture.notation
    assert 0 <= found.mean <= 1 and found.interval is None


def test_accuracy_counts_only_what_is_asked() -> None:
    model = HybridLM(Architecture.parse("w16 vocab=12 f"))
    tokens = np.arange(6, dtype=np.int64)[None].repeat(40, axis=0)
    said = model(torch.from_numpy(tokens)).argmax(-1).numpy()
    answers = np.full_like(tokens, NO_ANSWER)
    answers[:, 4], answers[:, 5] = said[:, 4], (said[:, 5] + 1) % 12
    assert accuracy(model, Questions(tokens, answers)) == 0.5


def test_a_loss_that_is_not_finite() -> None:
    model = HybridLM(Architecture.parse("w16 vocab=96 f"))
    with torch.no_grad():
        model.embedding.fill_(torch.nan)
    with pytest.raises(RunError, match="w16 vocab=96 f: the loss became nan after 0 steps of recall"):
        next(train_on(model, AssociativeRecall(), 5, 0))


def test_the_rate_rises_stays_and_falls() -> None:
    rates = [rate_factor(step, 200) for step in range(200)]
    assert rates[:20] == sorted(rates[:20]) and rates[0] == 1 / 20
    assert set(rates[19:159]) == {1.0}
    assert rates[160:] == sorted(rates[160:], reverse=True) and 0 < rates[-1] < 0.05
    assert 0 < rate_factor(0, 1) <= 1


def test_the_interval_is_students_within_zero_and_one() -> None:
    def recall(*accuracies: float) -> Recall:
        return Recall(
            architecture="w16 f", task="needle", length=16, pairs=1, steps=1, chance=0.1, accuracies=accuracies
        )

    assert recall(0.4, 0.5, 0.6).interval == pytest.approx((0.5 - 4.302653 * 0.1 / 3**0.5, 0.5 + 0.248414), abs=1e-5)
    assert recall(0.9, 1.0).interval == (pytest.approx(0.314690, abs=1e-5), 1.0)
    assert recall(0.5).interval is None


@given(st.integers(8, 10**6), st.integers(1, 32))
def test_tasks_are_read_as_what_a_search_asks_for(length: int, pairs: int) -> None:
    needle, associative = parse_task(f"needle:{length}"), parse_task("recall", pairs)
    assert needle == Needle(length=length) and needle.objective == f"needle:{length}"
    assert associative == AssociativeRecall(length=6 * pairs, pairs=pairs) and associative.objective == "recall"
    assert is_task(needle.objective) and is_task(associative.objective)
    assert parse_task("recall") == AssociativeRecall()


@pytest.mark.parametrize(
    "text", ["associative", "recall:8", "needle", "needle:", "needle:-8", "needle:1e3", "loss", ""]
)
def test_what_is_no_task(text: str) -> None:
    with pytest.raises(InputError, match="is not one of recall, needle:LENGTH") as error:
        parse_task(text)
    assert "\n" not in str(error.value)


def test_one_training_is_a_result_that_is_the_same_again() -> None:
    architecture, seen = Architecture.parse("w32 a"), []

    def train(seed: int) -> RecallResult:
        return recall_result(
            architecture,
            "recall",
            pairs=2,
            steps=3,
            seed=seed,
            device="cpu",
            progress=lambda done, total: seen.append(done),
        )

    first = train(1)
    assert (first.task, first.seed, first.failure, first.reused) == ("recall", 1, None, False)
    assert seen == [1, 2, 3] and first.seconds > 0
    assert train(1).accuracy == first.accuracy
    assert first.accuracy == measure_recall(architecture, parse_task("recall", 2), steps=3, seeds=(1,)).mean


def test_a_loss_that_is_not_finite_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = TrainingRecipe(optimizer="muon", learning_rate=1e30)
    monkeypatch.setattr("nas_search.proxies.recall.RECIPE", broken)
    found = recall_result(
        Architecture.parse("w32 a"),
        "recall",
        pairs=2,
        steps=40,
        seed=0,
        device="cpu",
        progress=lambda done, total: None,
    )
    assert found.accuracy is None
    assert found.failure is not None and "steps of recall" in found.failure and "\n" not in found.failure
