"""Samplers by name. Each proposal gets a fresh one with a generator from [seed, proposal index].

So a search is a function of its history, and going on after a crash is nothing special.
"""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from typing import TYPE_CHECKING

import numpy as np

from nas_search.errors import InputError
from nas_search.search.problem import SearchProblem
from nas_search.search.samplers.options import SamplerOptions

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

Factory = Callable[[SearchProblem, SamplerOptions, np.random.SeedSequence], "BaseSampler"]


def make_sampler(
    name: str, problem: SearchProblem, options: SamplerOptions, *, seed: int, proposal_index: int
) -> BaseSampler:
    """The sampler called ``name`` for one proposal. Raises InputError for an unknown name."""
    check_sampler(name, options)
    return _FACTORIES[name](problem, options, np.random.SeedSequence([seed, proposal_index]))


def sampler_names() -> tuple[str, ...]:
    """Names of all samplers."""
    return tuple(_FACTORIES)


def check_sampler(name: str, options: SamplerOptions) -> None:
    """Raise InputError unless there is a sampler called ``name`` that can have ``options``."""
    if name not in _FACTORIES:
        close = get_close_matches(name.lower(), _FACTORIES, n=1)
        hint = f"did you mean '{close[0]}'?" if close else f"there are {', '.join(_FACTORIES)}"
        raise InputError(f"unknown sampler '{name}': {hint}")
    given = {field for field, value in options if value is not None}
    unknown = given - _OPTIONS.get(name, frozenset())
    if unknown:
        raise InputError(f"sampler {name}: it has no option {', '.join(sorted(unknown))}")


def _random(problem: SearchProblem, options: SamplerOptions, seed: np.random.SeedSequence) -> BaseSampler:
    from nas_search.search.samplers.random_members import RandomMembers

    return RandomMembers(problem.space, np.random.default_rng(seed))


def _evolution(problem: SearchProblem, options: SamplerOptions, seed: np.random.SeedSequence) -> BaseSampler:
    from nas_search.search.samplers.evolution import POPULATION, SAMPLE_SIZE, AgingEvolution

    return AgingEvolution(
        problem.space,
        np.random.default_rng(seed),
        problem.goals,
        population=options.population or POPULATION,
        sample_size=options.sample_size or SAMPLE_SIZE,
    )


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
    "evolution": _evolution,
    "random": _random,
    "nsga2": _peer("nsga2"),
    "tpe": _model("tpe"),
    "gp": _model("gp"),
}
_OPTIONS: dict[str, frozenset[str]] = {
    "evolution": frozenset({"population", "sample_size"}),
    "nsga2": frozenset({"population"}),
}
