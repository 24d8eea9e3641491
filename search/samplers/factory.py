"""Samplers by name. Each proposal gets a fresh one with a generator from [seed, proposal index].

So a search is a function of its history, and going on after a crash is nothing special.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nas_search.errors import InputError
from nas_search.search.problem import SearchProblem
from nas_search.search.samplers.names import SAMPLER_OPTIONS, WARM_SAMPLERS, sampler_names
from nas_search.search.samplers.options import SamplerOptions
from nas_search.space.package_data import suggestion

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

MakeSampler = Callable[[SearchProblem, int, int], "BaseSampler"]
"""Makes the sampler of one proposal: for a problem, from the search's seed and the proposal's index."""
Factory = Callable[[SearchProblem, SamplerOptions, np.random.SeedSequence], "BaseSampler"]


def make_sampler(
    name: str, problem: SearchProblem, options: SamplerOptions, *, seed: int, proposal_index: int
) -> BaseSampler:
    """The sampler called ``name`` for one proposal. Raises InputError for an unknown name."""
    return sampler_maker(name, options)(problem, seed, proposal_index)


def sampler_maker(name: str, options: SamplerOptions) -> MakeSampler:
    """Makes the samplers called ``name``, proposal by proposal. Raises InputError for an unknown name."""
    check_sampler(name, options)
    make = _FACTORIES[name]
    return lambda problem, seed, index: make(problem, options, np.random.SeedSequence([seed, index]))


def check_sampler(name: str, options: SamplerOptions) -> None:
    """Raise InputError unless there is a sampler called ``name`` that can have ``options``."""
    if name not in SAMPLER_OPTIONS:
        raise InputError(f"unknown sampler '{name}': {suggestion(name, sampler_names())}")
    unknown = options.given.keys() - SAMPLER_OPTIONS[name]
    if unknown:
        raise InputError(f"sampler {name}: it has no option {', '.join(sorted(unknown))}")


def check_warm_start(name: str) -> None:
    """Raise InputError unless the sampler called ``name`` learns from trials of other runs."""
    if name not in WARM_SAMPLERS:
        able = ", ".join(sorted(WARM_SAMPLERS))
        raise InputError(f"sampler {name}: it learns nothing from other runs, which warm_start gives; give {able}")


def _random(problem: SearchProblem, options: SamplerOptions, seed: np.random.SeedSequence) -> BaseSampler:
    from nas_search.search.samplers.random_members import RandomMembers

    return RandomMembers(problem.space, np.random.default_rng(seed))


def _enumerate(problem: SearchProblem, options: SamplerOptions, seed: np.random.SeedSequence) -> BaseSampler:
    from nas_search.search.samplers.in_order import MembersInOrder

    assert isinstance(seed.entropy, Sequence)
    _, index = seed.entropy
    return MembersInOrder(problem.space, np.random.default_rng(seed), index)


def _evolution(problem: SearchProblem, options: SamplerOptions, seed: np.random.SeedSequence) -> BaseSampler:
    from nas_search.search.samplers.evolution.sampler import AgingEvolution, EvolutionSettings

    return AgingEvolution(problem, np.random.default_rng(seed), EvolutionSettings(**options.given))


def _bayes(problem: SearchProblem, options: SamplerOptions, seed: np.random.SeedSequence) -> BaseSampler:
    from nas_search.search.samplers.bayes.sampler import KnownLatencySampler

    return KnownLatencySampler(problem, np.random.default_rng(seed))


def _peer(name: str) -> Factory:
    def make(problem: SearchProblem, options: SamplerOptions, seed: np.random.SeedSequence) -> BaseSampler:
        from nas_search.search.samplers import optuna_peers

        peers = {"tpe": optuna_peers.tpe, "nsga2": optuna_peers.nsga2, "gp": optuna_peers.gp}
        return peers[name](int(seed.generate_state(1)[0]), options)

    return make


def _model(name: str) -> Factory:
    """A peer that builds a model of the losses, after random members of the space."""

    def make(problem: SearchProblem, options: SamplerOptions, seed: np.random.SeedSequence) -> BaseSampler:
        from nas_search.search.samplers.random_members import RandomMembers
        from nas_search.search.samplers.random_start import RandomStart

        first, then = seed.spawn(2)
        return RandomStart(
            RandomMembers(problem.space, np.random.default_rng(first)), _peer(name)(problem, options, then)
        )

    return make


_FACTORIES: dict[str, Factory] = {
    "bayes": _bayes,
    "random": _random,
    "enumerate": _enumerate,
    "evolution": _evolution,
    "tpe": _model("tpe"),
    "nsga2": _peer("nsga2"),
    "gp": _model("gp"),
}
