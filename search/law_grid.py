"""The networks of a two-stage search's first stage: what is trained for a law, and what is chosen among."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from nas_search.errors import InputError
from nas_search.proxies.twin import TwinRule
from nas_search.search.block_grid import BlockGrid, parse_block
from nas_search.search.chosen_shape import shortest_block
from nas_search.search.two_stage import TwoStage
from nas_search.space.operators.base import OperatorSpec
from nas_search.space.search_space import SearchSpace

LEAST, MOST = 3, 4
"""Depths, and widths, of the networks that are trained: a power law and a floor take three values."""


def shapes(options: TwoStage, space: SearchSpace) -> BlockGrid:
    """All depths and widths that the second stage could have, in networks of the law's block.

    Raises InputError if there is nothing to choose, or the block has other operators than the space.
    """
    block = _block(options, space)
    least, most = -(-shortest_block(space) // len(block)), space.max_operators // len(block)
    grid = _grid(block, range(least, most + 1), space.widths, space, space.tokens)
    for what, values in (("depth", grid.repeats), ("width", grid.widths)):
        if len(values) < 2:
            raise InputError(
                f"two_stage: space {space.name} has {len(values)} {what} for blocks of {len(block)} operators, "
                f"so there is no {what} to choose; search without two_stage, or in another space"
            )
    return grid


def trained_networks(options: TwoStage, space: SearchSpace, vocabulary: int, twins: TwinRule | None) -> BlockGrid:
    """The networks that a law is fitted to; where candidates are scored as twins, of the twins' widths.

    Raises InputError for fewer depths or widths than a law takes.
    """
    block = _block(options, space)
    widths = space.widths if twins is None else tuple(twins.widths.values())
    most = space.max_operators // len(block)
    grid = _grid(
        block,
        options.repeats or _some(np.geomspace(1, max(most, 1), MOST)),
        options.widths or [sorted(widths)[place] for place in _some(np.linspace(0, len(widths) - 1, MOST))],
        space,
        vocabulary,
    )
    for what, values in (("repeats", grid.repeats), ("widths", grid.widths)):
        if len(values) < LEAST:
            raise InputError(
                f"two_stage: {what}: {', '.join(map(str, values))}; a law takes {LEAST} different ones at least, "
                f"give them, or a law"
            )
    return grid


def _block(options: TwoStage, space: SearchSpace) -> tuple[OperatorSpec, ...]:
    there = space.operator_specs()
    if options.block is None:
        mixers = [spec for spec in there if spec.mixes_tokens]
        ffns = [spec for spec in there if not spec.mixes_tokens]
        return (mixers[0], *ffns[:1])
    block = parse_block(options.block)
    for spec in block:
        if spec not in there:
            raise InputError(
                f"two_stage: block: {spec.notation} is not in the space {space.name}, so its latency is not in the "
                f"table; there are {', '.join(one.notation for one in there)}"
            )
    return block


def _grid(
    block: tuple[OperatorSpec, ...], repeats: Sequence[int], widths: Sequence[int], space: SearchSpace, vocabulary: int
) -> BlockGrid:
    return BlockGrid(
        block=block,
        repeats=tuple(sorted(set(repeats))),
        widths=tuple(sorted(set(widths))),
        vocabulary=vocabulary,
        meta_tokens=space.meta_tokens,
        tied_head=space.tied_head,
    )


def _some(values: Iterable[float]) -> list[int]:
    """The nearest whole numbers, each once."""
    return sorted({round(float(value)) for value in values})
