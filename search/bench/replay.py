"""One sampler, one seed: the whole search, replayed."""

from __future__ import annotations

from optuna.samplers import BaseSampler

from nas_search.child_process import load_function
from nas_search.search.bench.names import ABLATIONS, ALONE
from nas_search.search.bench.replayed import Replayed
from nas_search.search.jobs import Progress
from nas_search.search.problem import SearchProblem
from nas_search.search.samplers.factory import MakeSampler, sampler_maker
from nas_search.search.samplers.options import SamplerOptions
from nas_search.search.simulation.search_table import SearchTable
from nas_search.search.simulation.simulate import simulate


def replay(table: SearchTable, sampler: str, *, trials: int, seed: int, workers: int, progress: Progress) -> Replayed:
    """The search that ``sampler`` makes of ``table``: by the engine of real searches, or by a package alone.

    The engine mutates what a sampler proposes again until it is new. Alone, packages have one worker.
    """
    if sampler in ALONE:
        found: Replayed = load_function(ALONE[sampler])(table, trials, seed, progress)
        return found
    replayed = simulate(table, _told(_maker(sampler), progress, trials), trials=trials, seed=seed, workers=workers)
    trained = sorted(
        (record for record in replayed.records if record.trained),
        key=lambda record: (replayed.told_at[record.number], record.proposal_index),
    )
    rows = tuple(int(record.fingerprint) for record in trained)
    return Replayed(rows=rows, thinking=replayed.thinking, seconds=replayed.seconds)


def _maker(sampler: str) -> MakeSampler:
    """Makes the samplers of a search or of an ablation, proposal by proposal."""
    if sampler in ABLATIONS:
        return load_function(ABLATIONS[sampler])
    return sampler_maker(sampler, SamplerOptions.model_validate({}))


def _told(make: MakeSampler, progress: Progress, trials: int) -> MakeSampler:
    """The same samplers; whoever waits hears of every proposal."""

    def told(problem: SearchProblem, seed: int, proposal_index: int) -> BaseSampler:
        progress(min(proposal_index, trials), trials)
        return make(problem, seed, proposal_index)

    return told
