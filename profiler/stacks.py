"""Slope timing: which networks are timed to learn what one layer of an operator costs.

The cost of a layer is read from stacks of n and of 2n layers, every layer with its own weights; a single layer timed
alone would find its weights in the nearest cache and pay for the calls around it. Three kinds of networks more say
what stacks of one operator cannot: a single layer (the overhead), two operators in turns and all operators in turns
(what it costs to fetch another operator's code). All are about as large as the networks that are predicted, so that
what fits into which cache is the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from nas_search.space.architecture import Architecture
from nas_search.space.operators.base import OperatorSpec

# Stacks of 3 and 6 layers; with 5 operators all in turns, twice, are 10. The CPU space has 1 to 12.
STACK_LAYERS = 3
TURNS = 2
# Where more are needed to fill a cache: stacks of at most 24 and 48.
MAX_LAYERS = 24
Operators = tuple[OperatorSpec, ...]


@dataclass(frozen=True, slots=True)
class StackPlan:
    """The networks to time for some operators, widths and a vocabulary.

    ``cache_weights`` is how many weights fill the device's last cache: where it is given, stacks have as many layers
    as overflow it, so that their weights come from memory as in a large network.
    """

    operators: Operators
    widths: tuple[int, ...]
    vocabulary: int
    cache_weights: int = 0

    @property
    def networks(self) -> list[Architecture]:
        """All of them, each once, width by width."""
        return list(dict.fromkeys(self._network(w, layers) for w in self.widths for layers in self._sequences(w)))

    def reference(self, width: int) -> Architecture:
        """All operators in turns, twice: the mixed network whose memory traffic the layers' costs contain."""
        return self._network(width, self._repeated(self.operators, TURNS, width))

    def _sequences(self, width: int) -> list[Operators]:
        stacks = [self._repeated((operator,), STACK_LAYERS, width) for operator in self.operators]
        neighbours = zip(self.operators, (*self.operators[1:], self.operators[0]), strict=True)
        return [
            (min(self.operators, key=lambda operator: operator.parameters(width)),),
            *stacks,
            *(stack * 2 for stack in stacks),
            *(self._repeated(pair, TURNS, width) for pair in neighbours),
            self._repeated(self.operators, TURNS, width),
        ]

    def _repeated(self, block: Operators, least: int, width: int) -> Operators:
        """The block as often as its weights overflow the cache, within limits."""
        weights = max(1, sum(operator.parameters(width) for operator in block))
        overflows = ceil(self.cache_weights / weights)
        return block * max(least, min(overflows, MAX_LAYERS // len(block)))

    def _network(self, width: int, operators: Operators) -> Architecture:
        # Meta tokens are only more context here: the phases count them.
        return Architecture(width=width, operators=operators, vocabulary=self.vocabulary, meta_tokens=0)
