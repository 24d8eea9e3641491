"""Optuna's samplers by themselves: asked and told by Optuna, as published comparisons run them."""

from __future__ import annotations

import time

import optuna
from optuna.samplers import BaseSampler, NSGAIISampler, TPESampler

from nas_search.search.bench.replayed import Replayed
from nas_search.search.jobs import Progress
from nas_search.search.samplers.base import distributions, genome_of
from nas_search.search.samplers.optuna_peers import one_threaded_gp
from nas_search.search.simulation.search_table import SearchTable

GP_START_TRIALS = 10
"""Optuna's own default."""


def replay_tpe(table: SearchTable, trials: int, seed: int, progress: Progress) -> Replayed:
    """Tree-structured Parzen estimator."""
    return _replay(TPESampler(seed=seed), table, trials, progress)


def replay_nsga2(table: SearchTable, trials: int, seed: int, progress: Progress) -> Replayed:
    """NSGA-II, with Optuna's population of 50."""
    return _replay(NSGAIISampler(seed=seed), table, trials, progress)


def replay_gp(table: SearchTable, trials: int, seed: int, progress: Progress) -> Replayed:
    """Gaussian process with expected hypervolume improvement. Imports torch."""
    return _replay(one_threaded_gp(seed, GP_START_TRIALS), table, trials, progress)


def _replay(sampler: BaseSampler, table: SearchTable, trials: int, progress: Progress) -> Replayed:
    """``trials`` evaluations, repeated ones included; the row nearest to a proposal is told in its place."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    members = table.problem().members
    genes = members.space.genes
    losses = table.losses[:, -1]
    study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)
    rows: list[int] = []
    thinking: list[float] = []
    while len(rows) < trials:
        started = time.perf_counter()
        trial = study.ask(dict(distributions(genes)))
        thinking.append(time.perf_counter() - started)
        (prospect,) = members.prospects([genome_of(trial.params, genes)])
        row = int(prospect.fingerprint)
        study.tell(trial, [float(table.latencies[row]), float(losses[row])])
        rows.append(row)
        progress(len(rows), trials)
    return Replayed(rows=tuple(rows), thinking=tuple(thinking), seconds=None)
