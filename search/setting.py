"""What a configuration names, found and checked before anything is written for a run."""

from __future__ import annotations

from dataclasses import dataclass
from math import log2

from nas_search.errors import InputError
from nas_search.profiler.device import Device, resolve_device
from nas_search.profiler.workload import Workload
from nas_search.proxies.data import Corpus, load_corpus
from nas_search.proxies.schedule import check_rungs
from nas_search.search.budget import parse_budget
from nas_search.search.config import SearchConfig
from nas_search.search.rungs import Ladder
from nas_search.search.samplers.factory import check_sampler
from nas_search.space.search_space import SearchSpace, load_space


@dataclass(frozen=True)
class Setting:
    """A resolved configuration with its space (vocabulary filled in), device, workload, text and rungs."""

    config: SearchConfig
    space: SearchSpace
    device: Device
    workload: Workload
    corpus: Corpus
    ladder: Ladder

    @property
    def penalty_loss(self) -> float:
        """Bits per byte of a model that knows nothing: all tokens equally likely."""
        return log2(self.corpus.vocabulary) / self.corpus.bytes_per_token

    @property
    def confirm_tokens(self) -> int:
        """Training budget of a confirmation."""
        return self.config.confirm_tokens or self.config.tokens


def prepare(config: SearchConfig) -> Setting:
    """Find and check everything that a configuration names. Raises InputError."""
    config = config.resolved()
    check_sampler(config.sampler, config.sampler_options)
    device = resolve_device(config.device)
    workload = Workload.parse(config.workload)
    space = load_space(config.space)
    if config.latency_budget is not None:
        parse_budget(config.latency_budget)
    ladder = Ladder.build(config.tokens, config.lowest_rung)
    check_rungs(config.recipe, ladder.tokens)
    corpus = load_corpus(config.data, config.tokenizer)
    if space.vocabulary not in {None, corpus.vocabulary}:
        raise InputError(
            f"space {space.name}: vocabulary {space.vocabulary}, but the data {corpus.name} has {corpus.vocabulary}; "
            f"leave it out of the space"
        )
    setting = Setting(config, space.with_vocabulary(corpus.vocabulary), device, workload, corpus, ladder)
    check_rungs(config.recipe, [setting.confirm_tokens])
    return setting
