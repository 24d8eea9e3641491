"""What a configuration names, found and checked before anything is written for a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from math import log2
from pathlib import Path

from nas_search.profiler.device import Device
from nas_search.profiler.table import LatencyTable
from nas_search.profiler.workload import Workload
from nas_search.proxies.corpus_size import repeats
from nas_search.proxies.data import Corpus, load_corpus
from nas_search.proxies.schedule import check_rungs
from nas_search.search.budget import parse_budget
from nas_search.search.config import SearchConfig
from nas_search.search.executors.site import Site
from nas_search.search.goals import Goals
from nas_search.search.latency_source import LatencySource, find_source, uncovered
from nas_search.search.rungs import Ladder
from nas_search.search.samplers.factory import check_sampler, check_warm_start
from nas_search.space.search_space import SearchSpace, load_space


@dataclass(frozen=True)
class Setting:
    """A resolved configuration with its space (vocabulary filled in), source of latencies, goals, text and rungs.

    The latency budget is not in ``goals`` yet: it may depend on a table. ``bytes_per_worker`` asks for the memory that
    each training may use.
    """

    config: SearchConfig
    space: SearchSpace
    source: LatencySource
    goals: Goals
    corpus: Corpus
    ladder: Ladder
    bytes_per_worker: Callable[[], int]

    @property
    def device(self) -> Device:
        """Whose latency counts."""
        return self.source.device

    @property
    def workload(self) -> Workload:
        """The search's own, which a latency budget is about."""
        return self.workloads[0]

    @property
    def workloads(self) -> tuple[Workload, ...]:
        """All workloads of objectives and limits, its own first."""
        return self.goals.workloads

    @property
    def penalty_loss(self) -> float:
        """Bits per byte of a model that knows nothing: all tokens equally likely."""
        return log2(self.corpus.vocabulary) / self.corpus.bytes_per_token

    @property
    def confirm_tokens(self) -> int:
        """Training budget of a confirmation."""
        return self.config.confirm_tokens or self.config.tokens

    @property
    def repeats(self) -> str | None:
        """What to say of a text that is smaller than the largest training budget."""
        return repeats(self.config.largest_budget, len(self.corpus.train))


def prepare(config: SearchConfig, frozen_table: Path, site: Site) -> Setting:
    """Find and check everything that a configuration names. Raises InputError.

    ``frozen_table`` is where the run has its table, if it was begun before, ``site`` where the search works.
    """
    train_device = site.train_device(config.train_device)
    config = config.resolved(train_device, config.workers or site.room(train_device))
    check_sampler(config.sampler, config.sampler_options)
    if config.warm_start:
        check_warm_start(config.sampler)
    space = load_space(config.space)
    if config.latency_budget is not None:
        parse_budget(config.latency_budget)
    ladder = Ladder.build(config.tokens, config.lowest_rung)
    check_rungs(config.recipe, ladder.tokens)
    corpus = cache(lambda: load_corpus(config.data, config.tokenizer))  # takes long the first time

    def whole_space() -> SearchSpace:
        return space if space.vocabulary is not None else space.with_vocabulary(corpus().vocabulary)

    def lacks(table: LatencyTable) -> list[str]:
        return uncovered(table, whole_space(), Goals.of(config, table.device.default_dtype).workloads)

    source = find_source(
        config.device,
        given=config.table,
        frozen=frozen_table,
        estimate=config.estimate,
        lacks=lacks,
        resolve=site.device,
    )
    goals = Goals.of(config, source.device.default_dtype)
    bytes_per_worker = partial(site.bytes_per_worker, train_device, config.worker_count)
    setting = Setting(config, whole_space(), source, goals, corpus(), ladder, bytes_per_worker)
    check_rungs(config.recipe, [setting.confirm_tokens])
    return setting
