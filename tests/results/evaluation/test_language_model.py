"""What lm-eval asks is answered with the likelihoods of the text."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from eval_maker import make_tokenizer
from lm_eval.api.instance import Instance

from nas_search.errors import InputError
from nas_search.proxies.tokenizer import ByteTokenizer, Tokenizer
from nas_search.results.evaluation.language_model import NetworkLM
from nas_search.space.architecture import Architecture
from nas_search.space.model import HybridLM

PAIRS = [
    ("one little duck", " went out"),
    ("over the ", "hill"),
    ("over the  \n", "hills and far away"),
    ("", "quack"),
    ("", "\nquack"),
    ("  ", "quack"),
    ("naïve", " →é"),
]
Make = Callable[..., NetworkLM]


@pytest.fixture(scope="module", params=["bytes", "bpe:400"])
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    return make_tokenizer(request.param)


@pytest.fixture(scope="module")
def model(tokenizer: Tokenizer) -> HybridLM:
    architecture = Architecture.parse(f"w32 vocab={tokenizer.vocabulary} meta=2 d f m2 f a f")
    return HybridLM(architecture, seed=3).eval().requires_grad_(False)


@pytest.fixture
def make(model: HybridLM, tokenizer: Tokenizer) -> Make:
    def call(max_length: int = 512, batch: int = 3) -> NetworkLM:
        return NetworkLM(
            model, tokenizer, batch=batch, max_length=max_length, seed=0, progress=lambda done, total: None
        )

    return call


def requests(kind: Any, arguments: list[tuple[Any, ...]]) -> list[Instance]:
    return [Instance(kind, {}, own, place) for place, own in enumerate(arguments)]


def nats(model: HybridLM, tokens: list[int], begin: int) -> float:
    """Of ``tokens[begin:]``, each from all before it."""
    logits = model(torch.tensor(tokens)[None])[0].double().log_softmax(-1)
    return sum(float(logits[place - 1, tokens[place]]) for place in range(begin, len(tokens)))


def test_likelihoods_are_those_of_the_text(make: Make, model: HybridLM, tokenizer: Tokenizer) -> None:
    found = make().loglikelihood(requests("loglikelihood", PAIRS))
    for (context, continuation), (value, _) in zip(PAIRS, found, strict=True):
        text, known = context + continuation, context.rstrip()
        start = [] if known else tokenizer.encode("\n").tolist()
        tokens = [*start, *tokenizer.encode(text).tolist()]
        begin = len(start) + len(tokenizer.encode(known))
        assert value == pytest.approx(nats(model, tokens, begin), abs=1e-3, rel=1e-5), (context, continuation)


@pytest.mark.parametrize(("context", "continuation"), [("one little duck went ou", "t"), ("one littl", "e")])
def test_a_continuation_that_a_token_swallows_is_scored_all_the_same(
    make: Make, model: HybridLM, tokenizer: Tokenizer, context: str, continuation: str
) -> None:
    before, after, whole = (tokenizer.encode(text).tolist() for text in (context, continuation, context + continuation))
    assert len(whole) <= len(before) or isinstance(tokenizer, ByteTokenizer)
    ((found, _),) = make().loglikelihood(requests("loglikelihood", [(context, continuation)]))
    assert found == pytest.approx(nats(model, [*before, *after], len(before)), abs=1e-3, rel=1e-5)


def test_spaces_at_the_end_of_a_context_are_predicted_and_nothing_is_certain(make: Make) -> None:
    found = make().loglikelihood(requests("loglikelihood", [("one ", ""), ("one", "")]))
    assert found[0][0] < 0
    assert found[1] == (0, True)


def test_a_whole_text_is_the_sum_over_all_its_tokens(make: Make, model: HybridLM, tokenizer: Tokenizer) -> None:
    texts = ["one little duck went out one day", "naïve\n", "q", ""]
    found = make().loglikelihood_rolling(requests("loglikelihood_rolling", [(text,) for text in texts]))
    start = tokenizer.encode("\n").tolist()
    direct = [nats(model, [*start, *tokenizer.encode(text).tolist()], 1) for text in texts]
    assert found == pytest.approx(direct, abs=1e-3, rel=1e-5)
    assert found[-1] == 0


def test_a_long_text_is_read_in_windows_that_predict_each_token_once(
    make: Make, model: HybridLM, tokenizer: Tokenizer
) -> None:
    text = "one little duck went out one day, over the hill and far away"
    lm = make(max_length=10)
    (found,) = lm.loglikelihood_rolling(requests("loglikelihood_rolling", [(text,)]))
    tokens = [*tokenizer.encode("\n").tolist(), *tokenizer.encode(text).tolist()]
    total, predicted = 0.0, 0
    while predicted < len(tokens) - 1:
        end = min(predicted + 10, len(tokens) - 1)
        window = tokens[max(0, end - 10) : end + 1]
        total += nats(model, window, len(window) - (end - predicted))
        predicted = end
    assert found == pytest.approx(total, abs=1e-3, rel=1e-5)
    assert lm.longest == 10


def test_the_batch_changes_nothing(make: Make) -> None:
    alone, together = (make(batch=batch).loglikelihood(requests("loglikelihood", PAIRS)) for batch in (1, 64))
    assert [value for value, _ in alone] == pytest.approx([value for value, _ in together], abs=1e-3, rel=1e-5)


def test_a_long_context_loses_its_beginning_which_is_counted(make: Make, model: HybridLM, tokenizer: Tokenizer) -> None:
    lm = make(max_length=12)
    pair = ("one little duck went out one day" * 3, " far away")
    ((found, _),) = lm.loglikelihood(requests("loglikelihood", [pair]))
    kept = tokenizer.encode("".join(pair)).tolist()
    count = len(kept) - len(tokenizer.encode(pair[0]))
    assert found == pytest.approx(nats(model, kept[-13:], 13 - count), abs=1e-3, rel=1e-5)
    assert (lm.cut, lm.longest) == (1, 12)
    lm.loglikelihood(requests("loglikelihood", [("q", "u")]))
    assert lm.cut == 1


def test_a_continuation_longer_than_what_is_read_is_an_error(make: Make) -> None:
    with pytest.raises(InputError, match="give a greater --max-length"):
        make(max_length=2).loglikelihood(requests("loglikelihood", [("one", " quack, quack, quack")]))


def test_generated_text_ends_at_a_stop_sequence(make: Make, tokenizer: Tokenizer) -> None:
    options = {"max_gen_toks": 12, "do_sample": False}
    asked = [("one little duck", options), ("", options)]
    whole = make().generate_until(requests("generate_until", asked))
    stop = whole[0][2:4]
    (text, _) = make().generate_until(
        requests("generate_until", [(context, {**options, "until": [stop]}) for context, _ in asked])
    )
    assert text == whole[0][: whole[0].index(stop)]
    assert len(tokenizer.encode(whole[1])) > 0


def test_samples_are_the_same_every_time_and_differ_between_repetitions(make: Make) -> None:
    sampled = {"max_gen_toks": 12, "do_sample": True, "temperature": 1.0}
    first, again = (make().generate_until(requests("generate_until", [("one", sampled)] * 3)) for _ in range(2))
    assert first == again
    assert len(set(first)) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_gen_toks": 4, "num_beams": 3}, "a task asks for 'num_beams'"),
        ({"max_gen_toks": 513}, "asks for 513 new tokens, and the network reads 512"),
    ],
)
def test_what_cannot_be_done_is_said(make: Make, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make().generate_until(requests("generate_until", [("one", options)]))
