"""Rank correlations of two scores of the same networks, of many resamples at once, and inside bands.

A resample is how often it has each network. Inside bands only networks of the same band are compared with each other;
pairs, or deviations of ranks, of all bands are pooled. Without bands there is one that has all networks.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Matrix = NDArray[np.float32]
Counts = NDArray[np.int64]
Bands = NDArray[np.intp]


def draw_resamples(n: int, count: int, seed: int) -> Counts:
    """[count, n] bootstrap resamples of n networks: how often each of them has each network."""
    drawn: Counts = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=count)
    return drawn


def equal_bands(values: Vector, count: int) -> Bands:
    """[n] the number, from 0, of each network's band: ``count`` bands of about equally many networks by ``values``."""
    bands = np.empty(len(values), dtype=np.intp)
    for number, members in enumerate(np.array_split(np.argsort(values, kind="stable"), count)):
        bands[members] = number
    return bands


def order(one: Vector, other: Vector) -> Matrix:
    """[n, n] 1 where a pair of networks stands in the same order in both scores [n], -1 where not, 0 for ties."""
    signs = [np.sign(np.subtract.outer(values, values)).astype(np.float32) for values in (one, other)]
    product: Matrix = signs[0] * signs[1]
    return product


def taus(one: Vector, other: Vector, counts: Counts, bands: Bands | None = None) -> Vector:
    """[m] Kendall's tau-b of resamples [m, n] of the n networks; NaN where a score is constant in all bands."""
    bands = _whole(one) if bands is None else bands
    # A quadratic form with the matrix of pairs is far faster than as many calls of a routine.
    pairs = order(one, other) * (bands[:, None] == bands)
    weights = counts.astype(np.float32)
    signs = np.einsum("mn,mn->m", weights @ pairs, weights, dtype=np.float64)
    return _ratio(signs, _untied(one, counts, bands), _untied(other, counts, bands))


def rhos(one: Vector, other: Vector, counts: Counts, bands: Bands | None = None) -> Vector:
    """[m] Spearman's rho of resamples [m, n] of the n networks; NaN where a score is constant in all bands."""
    bands = _whole(one) if bands is None else bands
    sums = np.zeros((3, len(counts)))
    for band in np.unique(bands):
        inside = bands == band
        weights = counts[:, inside]
        first, second = (_deviations(values[inside], weights) for values in (one, other))
        sums += [(weights * product).sum(axis=1) for product in (first * second, first**2, second**2)]
    return _ratio(*sums)


def tau(one: Vector, other: Vector, bands: Bands | None = None) -> float:
    """Tau-b of two scores [n] as they are; NaN if one of them is constant."""
    return float(taus(one, other, _once(one), bands)[0])


def rho(one: Vector, other: Vector, bands: Bands | None = None) -> float:
    """Spearman's rho of two scores [n] as they are; NaN if one of them is constant."""
    return float(rhos(one, other, _once(one), bands)[0])


def _whole(values: Vector) -> Bands:
    return np.zeros(len(values), dtype=np.intp)


def _once(values: Vector) -> Counts:
    return np.ones((1, len(values)), dtype=np.int64)


def _ratio(product: Vector, one: Vector, other: Vector) -> Vector:
    size = np.sqrt(one * other)
    found: Vector = np.divide(product, size, out=np.full(len(size), np.nan), where=size > 0)
    return found


def _untied(values: Vector, counts: Counts, bands: Bands) -> Vector:
    """[m] twice the pairs of a resample whose values differ, inside bands."""
    all_pairs = _squares(bands, counts)
    tied = _squares(np.unique(np.column_stack([bands, values]), axis=0, return_inverse=True)[1].reshape(-1), counts)
    return all_pairs - tied


def _squares(groups: Bands, counts: Counts) -> Vector:
    """[m] the sum over groups of the square of how many networks a resample has of each."""
    found: Vector = (_group_sums(groups, counts).astype(np.float64) ** 2).sum(axis=1)
    return found


def _group_sums(groups: Bands, counts: Counts) -> Counts:
    """[m, g] how many networks a resample has of each group, in the order of their numbers."""
    by_group = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[by_group], prepend=-1))
    sums: Counts = np.add.reduceat(counts[:, by_group], starts, axis=1)
    return sums


def _deviations(values: Vector, counts: Counts) -> Vector:
    """[m, n] the rank of each network in a resample, the mean one for ties, less the mean of all."""
    groups = np.unique(values, return_inverse=True)[1].reshape(-1)
    sizes = _group_sums(groups, counts).astype(np.float64)
    ranks = np.cumsum(sizes, axis=1) - (sizes - 1) / 2
    total = counts.sum(axis=1, keepdims=True)
    found: Vector = ranks[:, groups] - (total + 1) / 2
    return found
