"""The operators of many networks as numbers, so that their costs are added up by numpy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from nas_search.profiler.robust import Vector
from nas_search.space.architecture import Architecture
from nas_search.space.operators.base import OperatorSpec

Indices = NDArray[np.intp]


class Layers:
    """All layers of some networks, one network after the other.

    ``operators`` are those that occur, each once; ``codes`` [layers] are indices into them, ``rows`` [layers] say to
    which network a layer belongs; ``changes`` [networks] counts the layers that follow one of another operator.
    """

    def __init__(self, networks: Sequence[Architecture]) -> None:
        self.count = len(networks)
        sequence = list(chain.from_iterable(network.operators for network in networks))
        # Members of a space share their specs, so nearly all are told by identity, which is faster than comparing.
        objects = {id(operator): operator for operator in sequence}
        numbers: dict[OperatorSpec, int] = {}
        code_of = {key: numbers.setdefault(operator, len(numbers)) for key, operator in objects.items()}
        self.operators = tuple(numbers)
        self.codes: Indices = np.fromiter(map(code_of.__getitem__, map(id, sequence)), np.intp, len(sequence))
        depths = np.fromiter((network.depth for network in networks), np.intp, self.count)
        self.rows: Indices = np.repeat(np.arange(self.count), depths)
        changed = (self.codes[1:] != self.codes[:-1]) & (self.rows[1:] == self.rows[:-1])
        self.changes = np.bincount(self.rows[1:], weights=changed, minlength=self.count)

    def sums(self, figures: Iterable[float]) -> Vector:
        """For each network the sum of its layers, each of which counts the figure of its operator.

        Layer by layer, so that a network's sum does not depend on the networks beside it.
        """
        weights = np.fromiter(figures, np.float64)[self.codes]
        return np.bincount(self.rows, weights=weights, minlength=self.count).astype(np.float64, copy=False)

    def largest(self, figures: Iterable[float]) -> Vector:
        """For each network the greatest figure of its layers."""
        starts = np.searchsorted(self.rows, np.arange(self.count))
        return np.asarray(np.maximum.reduceat(np.fromiter(figures, np.float64)[self.codes], starts))


class NetworkSet:
    """Networks that a question is asked of together; all have the same number of meta tokens."""

    def __init__(self, networks: Sequence[Architecture]) -> None:
        self.networks = tuple(networks)
        self.meta_tokens = networks[0].meta_tokens

    def __len__(self) -> int:
        return len(self.networks)

    @cached_property
    def groups(self) -> list[tuple[int, int, Indices, Layers]]:
        """Width, vocabulary, indices and layers of the networks that differ in their operators alone."""
        members: dict[tuple[int, int, bool], list[int]] = {}
        for index, network in enumerate(self.networks):
            members.setdefault((network.width, network.vocabulary, network.tied_head), []).append(index)
        return [
            (width, vocabulary, np.array(indices), Layers([self.networks[index] for index in indices]))
            for (width, vocabulary, _), indices in members.items()
        ]

    @cached_property
    def depths(self) -> Vector:
        """Operators of each network."""
        return np.array([float(network.depth) for network in self.networks])

    @cached_property
    def parameters(self) -> Vector:
        """Parameters of each network."""
        return np.array([float(network.parameters) for network in self.networks])


def by_meta_tokens(networks: Sequence[Architecture]) -> list[tuple[Indices, NetworkSet]]:
    """Indices and networks that share a number of meta tokens."""
    members: dict[int, list[int]] = {}
    for index, network in enumerate(networks):
        members.setdefault(network.meta_tokens, []).append(index)
    return [(np.array(indices), NetworkSet([networks[i] for i in indices])) for indices in members.values()]
