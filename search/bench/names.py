"""Who can take part in a benchmark. Imports nothing: the command line lists them."""

from __future__ import annotations

from importlib.util import find_spec

from nas_search.errors import InputError
from nas_search.search.samplers.names import sampler_names
from nas_search.space.package_data import suggestion

_BENCH = "nas_search.search.bench"
PYMOO = "pymoo-nsga2"
ABLATIONS = {
    "random-known": f"{_BENCH}.ablations.random_known:random_known",
    "bayes-modelled": f"{_BENCH}.ablations.bayes_modelled:bayes_modelled",
}
"""Samplers that a search does not offer, and where they are made."""
ALONE = {
    "optuna-tpe": f"{_BENCH}.optuna_peer:replay_tpe",
    "optuna-nsga2": f"{_BENCH}.optuna_peer:replay_nsga2",
    "optuna-gp": f"{_BENCH}.optuna_peer:replay_gp",
    PYMOO: f"{_BENCH}.pymoo_peer:replay_pymoo",
}
"""Packages that run by themselves, without our engine, and where: by their own start and their own loop."""
PEERS = frozenset({"tpe", "nsga2", "gp", *ALONE})
"""Code of other packages: what they propose depends on versions, not on our sources."""


def contestant_names() -> tuple[str, ...]:
    """The samplers of a search, the ablations, and packages by themselves."""
    return (*sampler_names(), *ABLATIONS, *ALONE)


def check_contestant(name: str) -> None:
    """Raise InputError unless ``name`` can take part here."""
    names = contestant_names()
    if name not in names:
        raise InputError(f"unknown sampler '{name}': {suggestion(name, names)}")
    if name == PYMOO and find_spec("pymoo") is None:
        raise InputError(f"sampler {PYMOO}: pymoo is not installed; pip install 'nas-search[bench]' has it")
