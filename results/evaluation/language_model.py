"""A network as lm-eval sees a language model: text in, log-likelihoods or text out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from lm_eval.api.model import LM
from lm_eval.models.utils import normalize_gen_kwargs
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

from nas_search.errors import InputError
from nas_search.proxies.tokenizer import Tokenizer
from nas_search.results.evaluation.generation import Prompt, Sampling, continuations
from nas_search.results.evaluation.likelihood import Continuation, Likelihood, Progress, log_likelihoods
from nas_search.space.model import HybridLM

START = "\n"
"""What a text comes after if nothing is before it: the tokenizers have no token for the beginning of a text."""
END = "\0"
"""What ends a text beside the stop sequences of a task: the separator of documents in shards."""

_SAMPLING = {"until", "max_gen_toks", "do_sample", "temperature", "top_k", "top_p"}


class NetworkLM(LM):  # type: ignore[misc]
    """A network and its tokenizer behind the three questions that lm-eval has.

    The network reads ``max_length`` tokens at most: contexts lose their beginning, and ``cut`` counts how many did;
    texts whose whole likelihood is asked for are read in windows. ``longest`` is the most that was read at once.
    """

    def __init__(
        self, model: HybridLM, tokenizer: Tokenizer, *, batch: int, max_length: int, seed: int, progress: Progress
    ) -> None:
        super().__init__()
        self._model, self._tokens_of = model, tokenizer
        self._batch, self._max_length, self._seed, self._progress = batch, max_length, seed, progress
        self._start: int = tokenizer.encode(START).tolist()[-1]
        self.cut = self.longest = 0

    def loglikelihood(self, requests: Sequence[Any]) -> list[tuple[float, bool]]:
        """Log-likelihood in nats of each request's continuation after its context, and whether it is the likeliest.

        Raises InputError for a continuation that is longer than what the network reads.
        """
        pairs = self._pairs([request.args for request in requests])
        return [(nats, greedy) for nats, greedy in self._score([self._fitted(pair) for pair in pairs])]

    def loglikelihood_rolling(self, requests: Sequence[Any]) -> list[float]:
        """Log-likelihood in nats of each whole text: every token once, in windows of ``max_length`` side by side."""
        texts = self._encode(request.args[0] for request in requests)
        windows = [self._windows(text) for text in texts]
        scores = iter(self._score([window for own in windows for window in own]))
        return [sum(next(scores).nats for _ in own) for own in windows]

    def generate_until(self, requests: Sequence[Any]) -> list[str]:
        """The text that follows each request's context, up to a stop sequence.

        Raises InputError for an option of sampling that there is not, and if more tokens are asked for than the
        network reads.
        """
        contexts = self._encode(request.args[0] for request in requests)
        prompts = [
            self._prompt(context, request.args[1], self._seed + place)
            for place, (context, request) in enumerate(zip(contexts, requests, strict=True))
        ]
        self._measure(len(prompt.tokens) + prompt.sampling.new_tokens - 1 for prompt in prompts)
        return continuations(self._model, self._tokens_of, prompts, batch=self._batch, progress=self._progress)

    def _score(self, asked: Sequence[Continuation]) -> list[Likelihood]:
        self._measure(len(one.read) for one in asked)
        return log_likelihoods(self._model, asked, batch=self._batch, progress=self._progress)

    def _measure(self, lengths: Iterable[int]) -> None:
        self.longest = max([self.longest, *lengths])

    def _encode(self, texts: Iterable[str]) -> list[list[int]]:
        return [tokens.tolist() for tokens in self._tokens_of.encode_each(list(texts))]

    def _pairs(self, asked: Sequence[tuple[str, str]]) -> list[Continuation]:
        """As other models of lm-eval take text apart: both parts are encoded as one text, since tokens may begin with
        spaces and spaces at the end of a context belong to what follows.
        """
        contexts = [context.rstrip() for context, _ in asked]
        befores = self._encode(contexts)
        wholes = self._encode(context + continuation for context, continuation in asked)
        pairs = []
        for (context, continuation), stripped, before, whole in zip(asked, contexts, befores, wholes, strict=True):
            rest = context[len(stripped) :] + continuation
            tokens = whole[len(before) :]
            if rest and not tokens:  # swallowed by a token that begins in the context
                tokens = self._encode([rest])[0]
            pairs.append(Continuation(before or [self._start], tokens))
        return pairs

    def _fitted(self, pair: Continuation) -> Continuation:
        room = self._max_length - len(pair.read) + len(pair.context)
        if room < 1:
            raise InputError(
                f"a task asks for the likelihood of {len(pair.tokens):,} tokens at once, and the network reads "
                f"{self._max_length:,}; give a greater --max-length"
            )
        return Continuation(self._shortened(pair.context, room), pair.tokens)

    def _shortened(self, context: Sequence[int], room: int) -> Sequence[int]:
        if len(context) <= room:
            return context
        self.cut += 1
        return context[-room:]

    def _windows(self, text: list[int]) -> list[Continuation]:
        windows = get_rolling_token_windows(text, self._start, self._max_length, context_len=1)
        return [Continuation(*make_disjoint_window(window)) for window in windows]

    def _prompt(self, context: list[int], asked: dict[str, Any], seed: int) -> Prompt:
        sampling = _sampling(asked)
        room = self._max_length - sampling.new_tokens + 1
        if room < 1:
            raise InputError(
                f"a task asks for {sampling.new_tokens:,} new tokens, and the network reads {self._max_length:,}; "
                "give a greater --max-length"
            )
        return Prompt(tuple(self._shortened(context or [self._start], room)), sampling, seed)


def _sampling(asked: dict[str, Any]) -> Sampling:
    options = dict(normalize_gen_kwargs(asked))
    unknown = sorted(options.keys() - _SAMPLING)
    if unknown:
        raise InputError(f"a task asks for '{unknown[0]}' when it generates; there are {', '.join(sorted(_SAMPLING))}")
    sampled = bool(options["do_sample"])
    return Sampling(
        new_tokens=options["max_gen_toks"],
        stops=(*(stop for stop in options["until"] if stop), END),
        temperature=float(options.get("temperature", 1.0)) if sampled else 0.0,
        top_k=options.get("top_k") or None if sampled else None,
        top_p=options.get("top_p") if sampled else None,
    )
