"""Optuna's own samplers, made anew for every proposal with a seed of their own.

They recompute what they need from the storage, so nothing is lost between proposals.
"""

from __future__ import annotations

import warnings

from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, TPESampler

from nas_search.search.samplers.options import SamplerOptions


def tpe(seed: int, options: SamplerOptions) -> BaseSampler:
    """Tree-structured Parzen estimator; several objectives and constraints."""
    return TPESampler(seed=seed)


def nsga2(seed: int, options: SamplerOptions) -> BaseSampler:
    """NSGA-II; its population is 50 unless ``options`` say otherwise."""
    return NSGAIISampler(seed=seed, population_size=options.population or 50)


def gp(seed: int, options: SamplerOptions) -> BaseSampler:
    """Gaussian process with expected hypervolume improvement. Imports torch and takes seconds per proposal."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return GPSampler(seed=seed)
