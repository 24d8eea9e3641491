"""What training any network would take and give, learned from recorded trainings.

Logarithms of seconds, latencies and losses are lines in the logarithms of a network's training FLOPs, depth and width.
What a line leaves over is not thrown away: every new network takes all that is left over of one recorded training,
drawn by its fingerprint, so networks differ as much as they did, and a slow one that learns well stays that.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from zlib import crc32

import numpy as np

from nas_search.proxies.recipe import TrainingRecipe
from nas_search.search.planning.rates import Trained, TrainingRates
from nas_search.search.problem import FloatArray
from nas_search.space.architecture import Architecture
from nas_search.space.search_space import SearchSpace

MEMBERS = 256
"""Random members by which spaces are compared."""
RIDGE = 1.0
"""So many trainings' worth of belief that size does not matter; without it a few trials could claim anything."""


@dataclass(frozen=True, eq=False)
class Sizes:
    """The sizes of a space's members: mean and standard deviation [k] of :func:`size_of`."""

    mean: FloatArray
    sd: FloatArray

    @classmethod
    def of(cls, networks: list[Architecture], recipe: TrainingRecipe) -> Sizes:
        """Those of some networks."""
        rows = np.stack([size_of(network, recipe) for network in networks])
        return cls(rows.mean(axis=0), np.maximum(rows.std(axis=0), 1e-9))

    def standard(self, rows: FloatArray) -> FloatArray:
        """[n, k] by how many standard deviations sizes are above the mean."""
        return (rows - self.mean) / self.sd


@dataclass(frozen=True, eq=False)
class Line:
    """A ridge regression [rungs or 1] with what it leaves over [n, the same]."""

    constant: FloatArray
    weights: FloatArray
    left: FloatArray

    @classmethod
    def fit(cls, inputs: FloatArray, values: FloatArray) -> Line:
        """``inputs`` [n, k], ``values`` [n, m]."""
        constant, centre = values.mean(axis=0), inputs.mean(axis=0)
        centred = inputs - centre
        gram = centred.T @ centred + RIDGE * np.eye(inputs.shape[1])
        weights = np.linalg.solve(gram, centred.T @ (values - constant))
        constant = constant - centre @ weights
        return cls(constant, weights, values - constant - inputs @ weights)

    def at(self, inputs: FloatArray, row: int) -> FloatArray:
        """[m] for ``inputs`` [k], with what ``row`` left over."""
        values: FloatArray = self.constant + inputs @ self.weights + self.left[row]
        return values


class TrainingModel:
    """Trainings of the members of ``space``; each seed of :meth:`with_seed` is another draw of luck.

    Losses and latencies compare members with the others of their space: one that is a standard deviation larger than
    the mean is like a recorded network that was that. Seconds go by the sizes themselves, unless ``tokens_per_second``
    says at what rate the mean member trains; then they are scaled to it.
    """

    def __init__(
        self,
        rates: TrainingRates,
        space: SearchSpace,
        trained: Trained,
        recipe: TrainingRecipe,
        *,
        tokens_per_second: float | None = None,
    ) -> None:
        self._trained, self._recipe, self._seed = trained, recipe, 0
        self._there = Sizes.of(_members(rates.space, rates.trained), recipe)
        members = _members(space, trained)
        self._here = Sizes.of(members, recipe)
        sizes = np.stack([size_of(network, recipe) for network in rates.networks])
        standard = self._there.standard(sizes)
        self._count, self._shares = len(sizes), np.log(rates.shares)
        self._losses = Line.fit(standard, np.log(rates.losses))
        self._latency = Line.fit(standard, np.log(rates.latencies)[:, None])
        self._seconds = Line.fit(standard, np.log(rates.seconds_per_token)[:, None])
        self._faster = 1.0
        mean = float(np.mean([self.seconds_per_token(network, network.fingerprint) for network in members]))
        self.mean_tokens_per_second = 1 / mean
        if tokens_per_second is not None:
            self._faster = tokens_per_second * mean
            self.mean_tokens_per_second = tokens_per_second
        self.outside = self._outside(sizes, members)
        """The share of members whose training costs more or less than that of any recorded network."""

    def with_seed(self, seed: int) -> TrainingModel:
        """The same lines, and other networks that take what they left over."""
        other = copy(self)
        other._seed = seed
        return other

    def seconds_per_token(self, network: Architecture, fingerprint: str) -> float:
        """Of training a network in the place of the candidate ``fingerprint``."""
        standard = self._there.standard(size_of(network, self._recipe))
        return float(np.exp(self._seconds.at(standard, self._row(fingerprint))[0])) / self._faster

    def loss(self, network: Architecture, fingerprint: str, share: float) -> float:
        """Bits per byte after ``share`` of the top rung's tokens."""
        standard = self._here.standard(size_of(network, self._recipe))
        curve = self._losses.at(standard, self._row(fingerprint))
        return float(np.exp(np.interp(np.log(share), self._shares, curve)))

    def latency(self, architecture: Architecture) -> float:
        """A stand-in for milliseconds on the device: only the order of candidates matters to a plan."""
        standard = self._here.standard(size_of(self._trained(architecture), self._recipe))
        return float(np.exp(self._latency.at(standard, self._row(architecture.fingerprint))[0]))

    def _row(self, fingerprint: str) -> int:
        return crc32(f"{self._seed} {fingerprint}".encode()) % self._count

    def _outside(self, recorded: FloatArray, members: list[Architecture]) -> float:
        costs = np.array([size_of(network, self._recipe)[0] for network in members])
        return float(np.mean((costs < recorded[:, 0].min()) | (costs > recorded[:, 0].max())))


def size_of(network: Architecture, recipe: TrainingRecipe) -> FloatArray:
    """[3] logarithms of forward FLOPs for a token in the middle of a training window, of depth and of width."""
    return np.log([float(network.flops(recipe.sequence_length // 2)), float(network.depth), float(network.width)])


def _members(space: SearchSpace, trained: Trained) -> list[Architecture]:
    return [trained(member) for member in space.sample_architectures(MEMBERS, seed=0)]
