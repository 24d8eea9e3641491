"""Continuations of prompts with the decoding state of the network, until a stop sequence comes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nas_search.proxies.tokenizer import Tokenizer
from nas_search.results.evaluation.likelihood import Progress
from nas_search.space.model import HybridLM


@dataclass(frozen=True)
class Sampling:
    """How tokens are chosen, and when it ends: at any of ``stops``, or after ``new_tokens``.

    Temperature 0 takes the likeliest token. ``top_k`` keeps so many tokens, ``top_p`` the likeliest ones that have
    this probability together.
    """

    new_tokens: int
    stops: tuple[str, ...] = ()
    temperature: float = 0.0
    top_k: int | None = None
    top_p: float | None = None


@dataclass(frozen=True)
class Prompt:
    """At least one token, and what is asked of them. Samples depend on the seed alone, not on who shares a batch."""

    tokens: tuple[int, ...]
    sampling: Sampling
    seed: int = 0


def continuations(
    model: HybridLM, tokenizer: Tokenizer, prompts: Sequence[Prompt], *, batch: int, progress: Progress
) -> list[str]:
    """The text that follows each prompt, without the stop sequence.

    Prompts of equal length are continued together, ``batch`` at most, so that nothing is padded.
    """
    found: dict[int, str] = {}
    for places in _batches(prompts, batch):
        found |= zip(places, _continue(model, tokenizer, [prompts[place] for place in places]), strict=True)
        progress(len(found), len(prompts))
    return [found[place] for place in range(len(prompts))]


def _batches(prompts: Sequence[Prompt], batch: int) -> Iterator[list[int]]:
    alike: dict[tuple[int, Sampling], list[int]] = defaultdict(list)
    for place, prompt in enumerate(prompts):
        alike[len(prompt.tokens), prompt.sampling].append(place)
    for places in sorted(alike.values(), key=lambda places: -len(prompts[places[0]].tokens)):
        yield from (places[start : start + batch] for start in range(0, len(places), batch))


@torch.inference_mode()
def _continue(model: HybridLM, tokenizer: Tokenizer, prompts: Sequence[Prompt]) -> list[str]:
    device, sampling = model.embedding.device, prompts[0].sampling
    generators = [torch.Generator(device).manual_seed(prompt.seed) for prompt in prompts]
    tokens = torch.tensor([prompt.tokens for prompt in prompts], dtype=torch.int64, device=device)
    state = model.new_state(len(prompts), tokens.shape[1] + sampling.new_tokens)
    logits = model.prefill(tokens, state)
    texts: list[_Text] = [_Text(tokenizer, sampling.stops) for _ in prompts]
    for left in reversed(range(sampling.new_tokens)):
        chosen = _choose(logits, sampling, generators)
        for text, token in zip(texts, chosen.tolist(), strict=True):
            text.add(token)
        if not left or all(text.ended for text in texts):
            break
        logits = model.step(chosen, state)
    return [text.text for text in texts]


class _Text:
    """What one sequence has become."""

    def __init__(self, tokenizer: Tokenizer, stops: tuple[str, ...]) -> None:
        self._tokenizer, self._stops = tokenizer, stops
        self._tokens: list[int] = []
        self.text = ""
        self.ended = False

    def add(self, token: int) -> None:
        """Others in the batch may go on after this one has ended."""
        if self.ended:
            return
        self._tokens.append(token)
        text = self._tokenizer.decode(self._tokens)
        ends = [text.index(stop) for stop in self._stops if stop in text]
        self.ended = bool(ends)
        self.text = text[: min(ends)] if ends else text


def _choose(logits: Tensor, sampling: Sampling, generators: Sequence[torch.Generator]) -> Tensor:
    """One token [B] from logits [B, V]; each row from its own generator."""
    if sampling.temperature == 0:
        return logits.argmax(-1)
    probabilities = (_kept(logits.float(), sampling) / sampling.temperature).softmax(-1)
    rows = zip(probabilities, generators, strict=True)
    return torch.cat([torch.multinomial(row, 1, generator=generator) for row, generator in rows])


def _kept(logits: Tensor, sampling: Sampling) -> Tensor:
    """Logits [B, V] with minus infinity for tokens that ``top_k`` or ``top_p`` leave out."""
    ordered, places = logits.sort(-1, descending=True)
    if sampling.top_k is not None:
        ordered[:, sampling.top_k :] = -torch.inf
    if sampling.top_p is not None:
        shares = (ordered / sampling.temperature).softmax(-1)
        before = shares.cumsum(-1) - shares
        ordered[before >= sampling.top_p] = -torch.inf
    return torch.empty_like(logits).scatter_(-1, places, ordered)
