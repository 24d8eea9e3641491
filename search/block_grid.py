"""Networks that repeat one block, at several depths and widths."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from nas_search.errors import InputError
from nas_search.profiler.table import LatencyTable
from nas_search.profiler.workload import Workload
from nas_search.proxies.scaling_law import ScalingLaw
from nas_search.space.architecture import Architecture
from nas_search.space.notation import MAX_OPERATORS, parse_operators
from nas_search.space.operators.base import OperatorSpec

DEFAULT_DEPTHS = 8
"""At most so many different depths are tried unless they are given."""


class BlockGrid(NamedTuple):
    """A block, how often it may be repeated, and the widths; then what all networks have in common."""

    block: tuple[OperatorSpec, ...]
    repeats: tuple[int, ...]
    widths: tuple[int, ...]
    vocabulary: int
    meta_tokens: int = 0
    tied_head: bool = True

    def networks(self) -> list[Architecture]:
        """By depth, then by width. Raises InputError for too many operators, or a width that does not suit one."""
        return [
            self._network(repeats, width) for repeats in sorted(set(self.repeats)) for width in sorted(set(self.widths))
        ]

    def uncovered(self, table: LatencyTable, workload: str) -> list[str]:
        """What a latency table lacks of the networks and of the workload; empty if it has everything."""
        question = Workload.parse(workload, table.device.default_dtype)
        return table.covers(
            self.block, sorted(set(self.widths)), question, vocabulary=self.vocabulary, meta_tokens=self.meta_tokens
        )

    def _network(self, repeats: int, width: int) -> Architecture:
        if len(self.block) * repeats > MAX_OPERATORS:
            raise InputError(f"a block of {len(self.block)} operators {repeats} times: more than {MAX_OPERATORS}")
        fields: dict[str, Any] = {
            "width": width,
            "operators": self.block * repeats,
            "vocabulary": self.vocabulary,
            "meta_tokens": self.meta_tokens,
            "tied_head": self.tied_head,
        }
        return Architecture.checked(fields, f"of width {width} with the block {repeats} times")


def parse_block(text: str) -> tuple[OperatorSpec, ...]:
    """The operators of ``d f m2 f`` or ``(d f m2 f)``. Raises NotationError."""
    stripped = text.strip()
    return parse_operators(f"{stripped}x1" if stripped.endswith(")") else stripped)


def repeats_within(law: ScalingLaw, block: tuple[OperatorSpec, ...]) -> tuple[int, ...]:
    """How often a block can be repeated within the depths of a law's data: all, or some of them evenly in proportion.

    Raises InputError if no number of blocks is in between.
    """
    depths = law.observed["depth"].values
    least, most = int(np.ceil(depths[0] / len(block))), int(depths[-1] // len(block))
    if least > most:
        raise InputError(
            f"block of {len(block)} operators: the law's data are of {depths[0]:g} to {depths[-1]:g} operators, and no "
            f"number of blocks is in between; give --repeats"
        )
    if most - least < DEFAULT_DEPTHS:
        return tuple(range(least, most + 1))
    return tuple(map(int, np.unique(np.geomspace(float(least), float(most), DEFAULT_DEPTHS).round())))
