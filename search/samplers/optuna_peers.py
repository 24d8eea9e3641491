"""Optuna's own samplers, made anew for every proposal with a seed of their own.

They recompute what they need from the storage, so nothing is lost between proposals.
"""

from __future__ import annotations

import warnings

from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, TPESampler

from nas_search.search.samplers.options import SamplerOptions
from nas_search.search.samplers.random_start import START_TRIALS


def tpe(seed: int, options: SamplerOptions) -> BaseSampler:
    """Tree-structured Parzen estimator; several objectives and constraints."""
    return TPESampler(seed=seed, n_startup_trials=START_TRIALS)


def nsga2(seed: int, options: SamplerOptions) -> BaseSampler:
    """NSGA-II; its population is 50 unless ``options`` say otherwise."""
    return NSGAIISampler(seed=seed, population_size=options.population or 50)


def gp(seed: int, options: SamplerOptions) -> BaseSampler:
    """Gaussian process with expected hypervolume improvement. Imports torch."""
    return one_threaded_gp(seed, START_TRIALS)


def one_threaded_gp(seed: int, start_trials: int) -> BaseSampler:
    """Optuna's Gaussian process: it runs beside workers that use every core, where two threads are slower than one."""
    import torch

    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return GPSampler(seed=seed, n_startup_trials=start_trials)
