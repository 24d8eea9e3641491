"""Log-likelihoods of a batch are those of each sequence alone."""

from collections.abc import Callable

import pytest
import torch
from eval_maker import make_tokenizer

from nas_search.results.evaluation import likelihood
from nas_search.results.evaluation.likelihood import Continuation, Likelihood, log_likelihoods
from nas_search.space.architecture import Architecture
from nas_search.space.model import HybridLM

EVERY_MIXER = "w32 meta=3 a f swa m m2 d gd gla r7 f"
LENGTHS = ((1, 1), (5, 2), (1, 17), (40, 3), (70, 1), (3, 0), (40, 30))

Score = Callable[..., list[Likelihood]]


@pytest.fixture(scope="module", params=["bytes", "bpe:400"])
def model(request: pytest.FixtureRequest) -> HybridLM:
    vocabulary = make_tokenizer(request.param).vocabulary
    notation = EVERY_MIXER.replace("meta", f"vocab={vocabulary} meta")
    return HybridLM(Architecture.parse(notation)).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def asked(model: HybridLM) -> list[Continuation]:
    generator = torch.Generator().manual_seed(5)

    def tokens(count: int) -> list[int]:
        drawn: list[int] = torch.randint(model.architecture.vocabulary, (count,), generator=generator).tolist()
        return drawn

    return [Continuation(tokens(before), tokens(after)) for before, after in LENGTHS]


def directly(model: HybridLM, asked: Continuation) -> float:
    """Token by token of one sequence: each from the logits after all that is before it."""
    text = [*asked.context, *asked.tokens]
    logits = model(torch.tensor(text)[None])[0].double().log_softmax(-1)
    return sum(float(logits[place - 1, text[place]]) for place in range(len(asked.context), len(text)))


def score(model: HybridLM, asked: list[Continuation], batch: int) -> list[Likelihood]:
    return log_likelihoods(model, asked, batch=batch, progress=lambda done, total: None)


@pytest.mark.parametrize("batch", [1, 3, 64])
def test_equal_to_a_direct_computation(model: HybridLM, asked: list[Continuation], batch: int) -> None:
    found = score(model, asked, batch)
    assert [one.nats for one in found] == pytest.approx([directly(model, one) for one in asked], abs=1e-3, rel=1e-5)


def test_others_in_the_batch_change_nothing(model: HybridLM, asked: list[Continuation]) -> None:
    together = score(model, asked, 64)
    alone = [score(model, [one], 64)[0] for one in asked]
    assert [one.nats for one in together] == pytest.approx([one.nats for one in alone], abs=1e-3, rel=1e-5)
    assert [one.greedy for one in together] == [one.greedy for one in alone]


def test_greedy_is_the_likeliest_token_at_every_place(model: HybridLM) -> None:
    prompt = torch.tensor([[7, 8, 9]])
    likeliest = model.generate(prompt, 4, temperature=0)[0, 3:].tolist()
    other = [*likeliest[:-1], (likeliest[-1] + 1) % model.architecture.vocabulary]
    found = score(model, [Continuation([7, 8, 9], likeliest), Continuation([7, 8, 9], other)], 2)
    assert [one.greedy for one in found] == [True, False]


def test_nothing_is_certain(model: HybridLM) -> None:
    assert score(model, [Continuation([1, 2], [])], 4) == [Likelihood(0.0, True)]
    assert score(model, [], 4) == []


def test_a_batch_is_smaller_where_its_logits_are_too_many(
    model: HybridLM, asked: list[Continuation], monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []

    def count(module: HybridLM, arguments: tuple[torch.Tensor]) -> None:
        sizes.append(tuple(arguments[0].shape))

    hook = model.register_forward_pre_hook(count)
    limit = 150 * model.architecture.vocabulary
    monkeypatch.setattr(likelihood, "LOGITS", limit)
    found = score(model, asked, 64)
    hook.remove()
    assert sum(size for size, _ in sizes) == len(asked) and len(sizes) > 2
    assert all(size * length * model.architecture.vocabulary <= limit for size, length in sizes)
    assert [one.nats for one in found] == pytest.approx([directly(model, one) for one in asked], abs=1e-3, rel=1e-5)


def test_progress_ends_at_all(model: HybridLM, asked: list[Continuation]) -> None:
    told: list[tuple[int, int]] = []
    log_likelihoods(model, asked, batch=2, progress=lambda done, total: told.append((done, total)))
    assert [done for done, _ in told] == [2, 4, 6, 7]
    assert {total for _, total in told} == {7}
