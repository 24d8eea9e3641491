"""Generated text ends where it should, whoever shares the batch."""

import pytest
import torch
from eval_maker import make_tokenizer

from nas_search.proxies.tokenizer import Tokenizer
from nas_search.results.evaluation.generation import Prompt, Sampling, continuations
from nas_search.space.architecture import Architecture
from nas_search.space.model import HybridLM

PROMPTS = ((1, 2, 3), (9,), (4, 5, 6), (7, 8, 9, 10), (3, 2, 1))


@pytest.fixture(scope="module", params=["bytes", "bpe:400"])
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    return make_tokenizer(request.param)


@pytest.fixture(scope="module")
def model(tokenizer: Tokenizer) -> HybridLM:
    architecture = Architecture.parse(f"w32 vocab={tokenizer.vocabulary} meta=2 d f m2 f a f")
    return HybridLM(architecture, seed=3).eval().requires_grad_(False)


def go_on(model: HybridLM, tokenizer: Tokenizer, prompts: list[Prompt], batch: int = 8) -> list[str]:
    return continuations(model, tokenizer, prompts, batch=batch, progress=lambda done, total: None)


def test_the_likeliest_tokens_as_the_model_generates_them(model: HybridLM, tokenizer: Tokenizer) -> None:
    found = go_on(model, tokenizer, [Prompt(tokens, Sampling(12)) for tokens in PROMPTS])
    for tokens, text in zip(PROMPTS, found, strict=True):
        output = model.generate(torch.tensor(tokens)[None], 12, temperature=0)[0, len(tokens) :]
        assert text == tokenizer.decode(output.tolist())


def test_it_ends_before_the_first_stop_sequence(model: HybridLM, tokenizer: Tokenizer) -> None:
    (whole,) = go_on(model, tokenizer, [Prompt((1, 2, 3), Sampling(16))])
    late, early = whole[6:8], whole[3:5]
    (text,) = go_on(model, tokenizer, [Prompt((1, 2, 3), Sampling(16, (late, early, "never")))])
    assert text == whole[: min(whole.index(late), whole.index(early))]


def test_nothing_is_computed_after_the_last_one_ended(
    model: HybridLM, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first,) = go_on(model, tokenizer, [Prompt((1, 2, 3), Sampling(1))])
    monkeypatch.setattr(HybridLM, "step", lambda *_: pytest.fail("one token more than asked for"))
    assert go_on(model, tokenizer, [Prompt((1, 2, 3), Sampling(50, (first,)))]) == [""]
    assert go_on(model, tokenizer, [Prompt((1, 2, 3), Sampling(1))]) == [first]


@pytest.mark.parametrize("sampling", [Sampling(8), Sampling(8, temperature=0.9, top_k=50, top_p=0.95)])
def test_samples_do_not_depend_on_who_shares_the_batch(
    model: HybridLM, tokenizer: Tokenizer, sampling: Sampling
) -> None:
    prompts = [Prompt(tokens, sampling, seed) for seed, tokens in enumerate(PROMPTS)]
    together = go_on(model, tokenizer, prompts)
    assert together == go_on(model, tokenizer, prompts, batch=1)
    assert together == go_on(model, tokenizer, prompts[::-1], batch=2)[::-1]


def test_seeds_count_only_where_tokens_are_sampled(model: HybridLM, tokenizer: Tokenizer) -> None:
    def different(sampling: Sampling) -> int:
        return len(set(go_on(model, tokenizer, [Prompt((1, 2, 3), sampling, seed) for seed in range(4)])))

    assert different(Sampling(12)) == 1
    assert different(Sampling(12, temperature=1.0)) == 4
    assert different(Sampling(12, temperature=1.0, top_k=1)) == 1
    assert different(Sampling(12, temperature=1.0, top_p=1e-6)) == 1


def test_top_k_and_top_p_keep_the_likeliest(model: HybridLM, tokenizer: Tokenizer) -> None:
    logits = model(torch.tensor([[1, 2, 3]]))[0, -1]
    likeliest = logits.argsort(descending=True)[:3].tolist()
    three = float(logits.softmax(-1)[likeliest].sum())
    for sampling in (Sampling(1, temperature=1.0, top_k=3), Sampling(1, temperature=1.0, top_p=three - 1e-4)):
        drawn = set(go_on(model, tokenizer, [Prompt((1, 2, 3), sampling, seed) for seed in range(40)]))
        assert drawn == {tokenizer.decode([token]) for token in likeliest}
