"""From figures of phases to those of workloads, for predictions and measurements alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from nas_search.errors import InputError
from nas_search.profiler.cells import PhaseSetting
from nas_search.profiler.grid import Grid, Weights
from nas_search.profiler.layers import NetworkSet, by_meta_tokens
from nas_search.profiler.memory import MIB
from nas_search.profiler.network_memory import NetworkMemory, prompt_bytes_many
from nas_search.profiler.robust import Matrix, Vector
from nas_search.profiler.workload import Workload
from nas_search.space.architecture import Architecture

PhaseFigures = Callable[[NetworkSet, PhaseSetting], Vector]
"""Figures of networks in one setting, in ms or mJ; not a number where there is none."""


def compose(
    architectures: Sequence[Architecture],
    workload: Workload,
    grid: Grid,
    available_bytes: int,
    figures: PhaseFigures,
) -> Vector:
    """The figure of each network in the unit of ``workload``; not a number where a phase has none.

    A throughput is that of the largest batch that fits ``available_bytes``, 0 for a network that does not fit. Raises
    InputError for what lies outside of ``grid``.
    """
    composed = np.empty(len(architectures))
    for indices, networks in by_meta_tokens(architectures):
        composed[indices] = _composed(networks, workload, grid, available_bytes, figures)
    return composed


def settings_of(workload: Workload, meta_tokens: int, grid: Grid) -> list[PhaseSetting]:
    """The settings that a figure of ``workload`` may be made of. Raises InputError where the table has none."""
    settings: list[PhaseSetting] = []
    for part in grid.parts(workload, meta_tokens):
        if workload.kind == "throughput":
            for batch in grid.batches(part, workload.precision):
                settings += grid.at_batch(part, batch, workload.precision)
        else:
            settings += grid.weights(part, workload.batch, workload.precision)
    return settings


def _composed(
    networks: NetworkSet, workload: Workload, grid: Grid, available_bytes: int, figures: PhaseFigures
) -> Vector:
    if workload.kind == "memory":
        held = NetworkMemory.of(networks, workload.prompt, workload.precision).needed(workload.batch)
        return (held + prompt_bytes_many(networks, workload.prompt, workload.batch, workload.precision)) / MIB
    if workload.kind == "throughput":
        return _tokens_per_second(networks, workload, grid, available_bytes, figures)
    total = np.zeros(len(networks))
    for part in grid.parts(workload, networks.meta_tokens):
        total += _weighted(networks, grid.weights(part, workload.batch, workload.precision), figures)
    return total / workload.batch if workload.kind == "energy" else total


def _weighted(networks: NetworkSet, weights: Weights, figures: PhaseFigures) -> Vector:
    total = np.zeros(len(networks))
    for setting, weight in weights.items():
        total += weight * figures(networks, setting)
    return total


def _tokens_per_second(
    networks: NetworkSet, workload: Workload, grid: Grid, available_bytes: int, figures: PhaseFigures
) -> Vector:
    precision = workload.precision
    fitting = NetworkMemory.of(networks, workload.prompt, precision).largest_batch(available_bytes)
    batch = np.minimum(fitting, workload.batch)
    (part,) = grid.parts(workload, networks.meta_tokens)
    recorded = grid.batches(part, precision)
    steps = [_weighted(networks, grid.at_batch(part, each, precision), figures) for each in recorded]
    return 1e3 * batch / _at_batch(np.maximum(batch, 1), np.array(recorded, np.float64), np.array(steps))


def _at_batch(batch: Vector, recorded: Vector, figures: Matrix) -> Vector:
    """Figures [networks], each at its ``batch``, from those [batches, networks] at the recorded ones.

    Linear between two of those that a network has figures for, and on along its last line; but no larger batch costs
    less than the largest recorded one. Raises InputError for a batch below all, or any other than a single one.
    """
    outside = batch < recorded[0] if len(recorded) > 1 else batch != recorded[0]
    if np.any(outside):
        raise InputError(
            f"latency table: batch {batch[outside][0]:.0f} is outside of what was recorded for a throughput, "
            f"{', '.join(f'{each:.0f}' for each in recorded)}"
        )
    if len(recorded) == 1:
        return np.asarray(figures[0])
    known, network = np.isfinite(figures).sum(0), np.arange(len(batch))
    high = np.clip(np.searchsorted(recorded, batch), 1, np.maximum(known - 1, 1))
    at_low, at_high = figures[high - 1, network], figures[high, network]
    share = (batch - recorded[high - 1]) / (recorded[high] - recorded[high - 1])
    line = np.where(share == 0, at_low, at_low + share * (at_high - at_low))
    return np.where(share > 1, np.maximum(line, at_high), line)
