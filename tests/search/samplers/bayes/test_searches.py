"""Whole searches of a public table: against random search, and warm-started with those of another device."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from optuna.storages import InMemoryStorage

from nas_search.search.bench.scale import Scale
from nas_search.search.bench.table_file import TableColumns, read_search_table
from nas_search.search.journal import Outcome, StudyJournal
from nas_search.search.problem import PriorSource, SearchProblem
from nas_search.search.proposer import Proposer
from nas_search.search.samplers.base import distributions
from nas_search.search.samplers.factory import sampler_maker
from nas_search.search.samplers.options import SamplerOptions
from nas_search.search.simulation.search_table import SearchTable
from nas_search.search.simulation.simulate import simulate

TABLE = Path(__file__).parents[4] / "experiments" / "search-benchmark" / "tables" / "hwgpt_s_macro.parquet"
GENES = (
    "embed_dim",
    "n_layer",
    "bias",
    *(f"{part}_{at}" for part in ("mlp", "heads") for at in ("early", "middle", "late")),
)


@cache
def table(device: str) -> SearchTable:
    return read_search_table(TABLE, TableColumns(GENES, "perplexity", f"lat_{device}_ms"))


@cache
def scale(device: str) -> Scale:
    return Scale.of(np.column_stack([table(device).latencies, table(device).losses[:, 0]]))


def hypervolume(device: str, rows: list[int]) -> float:
    """Of these rows, as a share of the whole front's."""
    of = table(device)
    points = list(zip(of.latencies[rows].tolist(), of.losses[rows, 0].tolist(), strict=True))
    return float(scale(device).curve(points, len(points))[-1])


def found(sampler: str, device: str, trials: int, seed: int) -> list[int]:
    """The rows that a search trains."""
    records = simulate(table(device), sampler, trials=trials, seed=seed).records
    return [int(record.fingerprint) for record in records if record.trained]


class Warm(NamedTuple):
    """The rows of a warm-started search, in order, and which of them it had to train."""

    rows: list[int]
    trained: list[int]


def warm(device: str, known: list[int], trials: int, seed: int) -> Warm:
    """A search that takes over what is ``known`` when it proposes it, until it has trained so many rows itself."""
    of = table(device)
    genomes = tuple(of.members.space.genomes[row] for row in known)
    losses = of.losses[known, 0]
    source = PriorSource("runs/a", True, genomes, of.members.features(genomes), losses, np.zeros(len(known)))
    problem: SearchProblem = replace(of.problem(), prior=(source,))
    journal = StudyJournal(InMemoryStorage(), distributions(problem.space.genes), problem.goals)
    proposer = Proposer(problem, sampler_maker("bayes", SamplerOptions()), seed)
    seen: dict[str, int] = {}
    search = Warm([], [])
    while len(search.trained) < trials:
        trial = journal.create(len(search.rows))
        candidate = proposer.propose(journal, trial, seen)
        journal.write_candidate(trial, candidate)
        row = int(candidate.fingerprint)
        journal.tell(trial, candidate, Outcome(state="complete", told_loss=float(of.losses[row, 0])))
        seen[candidate.fingerprint] = trial.number
        search.rows.append(row)
        if row not in known:
            search.trained.append(row)
    return search


@pytest.mark.parametrize("seed", range(3))
def test_after_25_trainings_it_is_far_ahead_of_random_search(seed: int) -> None:
    ahead = hypervolume("h100", found("bayes", "h100", 25, seed)) - hypervolume(
        "h100", found("random", "h100", 25, seed)
    )
    assert ahead > 0.03


@pytest.mark.parametrize("seed", range(3))
def test_eight_workers_cost_little(seed: int) -> None:
    """Losses that come later are waited for by nobody, and proposals of one round complement each other."""
    records = simulate(table("h100"), "bayes", trials=32, seed=seed, workers=8).records
    rows = [int(record.fingerprint) for record in records if record.trained]
    assert len(set(rows)) == 32
    assert hypervolume("h100", rows) > hypervolume("h100", found("random", "h100", 32, seed)) + 0.03


@pytest.mark.parametrize("seed", range(3))
def test_what_was_found_for_one_device_makes_the_search_for_the_next_one_nearly_free(seed: int) -> None:
    """Ten trainings are worth more than twenty-five without it."""
    known = first_search()
    after = warm("a100", known, 10, seed)
    assert len(after.rows) > len(after.trained)
    assert hypervolume("a100", after.rows) > hypervolume("a100", found("bayes", "a100", 25, seed)) + 0.005


@cache
def first_search() -> list[int]:
    return found("bayes", "h100", 50, seed=100)
