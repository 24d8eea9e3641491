"""A table to search in: one row for each architecture, with its genes, its latency and what training it gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd

from nas_search.errors import InputError
from nas_search.search.goals import Goals
from nas_search.search.objectives import LOSS
from nas_search.search.problem import FloatArray, SearchProblem
from nas_search.search.rungs import Ladder
from nas_search.search.simulation.table_members import LATENCY, TableMembers
from nas_search.search.simulation.table_space import TableSpace
from nas_search.space.genome import Choice, Gene

_KINDS: tuple[type | tuple[type, ...], ...] = (str, bool, (int, float))


class RungColumns(NamedTuple):
    """A rung of training: its tokens, the column of the loss there, and that of the seconds since the rung below.

    Where the loss is missing, training fails.
    """

    tokens: int
    loss: str
    cost: str | None = None


@dataclass(frozen=True, eq=False)
class SearchTable:
    """Columns by name. The loss of the last of the ``rungs``, whose tokens rise, is what a search is after.

    ``latency`` is in milliseconds; losses may have any unit in which less is better. ``cost`` is in seconds of the
    whole training, shared out by tokens among rungs that have no cost of their own; without any cost the whole training
    takes a second. ``features`` are columns of numbers that describe rows to models of the loss, in place of genes.
    Raises InputError, beginning with ``name``, if the columns cannot be searched in.
    """

    rows: pd.DataFrame
    genes: tuple[str, ...]
    latency: str
    rungs: tuple[RungColumns, ...]
    cost: str | None = None
    features: tuple[str, ...] = ()
    name: str = "table"

    @classmethod
    def of(
        cls,
        rows: pd.DataFrame,
        genes: Sequence[str],
        *,
        loss: str,
        latency: str,
        cost: str | None = None,
        features: Sequence[str] = (),
        name: str = "table",
    ) -> SearchTable:
        """A table with final losses alone. Raises InputError as the constructor does."""
        return cls(rows, tuple(genes), latency, (RungColumns(1, loss),), cost, tuple(features), name)

    def __post_init__(self) -> None:
        self._check_rungs()
        self._check_genes()
        if (self.latencies <= 0).any():
            raise InputError(f"{self.name}: column {self.latency!r}: latencies must be above zero")
        if (self.seconds < 0).any():
            raise InputError(f"{self.name}: seconds of training must not be negative")
        if len(self.rungs) > 1 and (self.losses <= 0).any():
            raise InputError(f"{self.name}: losses must be above zero to be extrapolated from rung to rung")
        if np.isnan(self.losses[:, -1]).all():
            raise InputError(f"{self.name}: column {self.rungs[-1].loss!r}: no loss at all")

    def problem(self, latency_limit: float | None = None) -> SearchProblem:
        """The search for the front of latency and loss, within ``latency_limit`` milliseconds.

        What is over the limit counts as bad as the worst row.
        """
        goals = Goals.stored((LATENCY, LOSS), ()).with_budget(latency_limit)
        return SearchProblem(self.members, goals, penalty_loss=float(np.nanmax(self.losses[:, -1])))

    @property
    def ladder(self) -> Ladder:
        """The rungs' tokens."""
        return Ladder(tuple(rung.tokens for rung in self.rungs))

    @cached_property
    def latencies(self) -> FloatArray:
        """[rows] milliseconds."""
        return self._numbers(self.latency)

    @cached_property
    def losses(self) -> FloatArray:
        """[rows, rungs]; NaN where training fails."""
        return np.stack([self._numbers(rung.loss, missing=True) for rung in self.rungs], axis=1)

    @cached_property
    def seconds(self) -> FloatArray:
        """[rows, rungs] of training from the rung below."""
        whole = np.ones(len(self.rows)) if self.cost is None else self._numbers(self.cost)
        tokens = np.array([rung.tokens for rung in self.rungs])
        shares = np.diff(tokens, prepend=0) / tokens[-1]
        columns = [
            whole * share if rung.cost is None else self._numbers(rung.cost)
            for rung, share in zip(self.rungs, shares, strict=True)
        ]
        return np.stack(columns, axis=1)

    @cached_property
    def members(self) -> TableMembers:
        """The rows as a search sees them."""
        genes = [Gene(name, self._choices(name)) for name in self.genes]
        genomes = zip(*(self.rows[name].tolist() for name in self.genes), strict=True)
        features = np.stack([self._numbers(name) for name in self.features], axis=1) if self.features else None
        return TableMembers(TableSpace(genes, list(genomes)), self.latencies, features)

    def _check_rungs(self) -> None:
        tokens = [rung.tokens for rung in self.rungs]
        if not tokens or tokens[0] < 1 or tokens != sorted(set(tokens)):
            raise InputError(f"{self.name}: rungs of {tokens} tokens; there must be some, rising from at least 1")

    def _check_genes(self) -> None:
        if not self.genes:
            raise InputError(f"{self.name}: no genes; name the columns that tell its rows apart")
        columns = [*self.genes, self.latency, self.rungs[-1].loss]
        again = next((name for name in columns if columns.count(name) > 1), None)
        if again is not None:
            raise InputError(
                f"{self.name}: column {again!r} is given twice; genes, latency and loss are different columns"
            )
        for name in self.genes:
            missing = self._column(name).isna()
            if missing.any():
                raise InputError(f"{self.name}: gene {name!r}: row {int(missing.argmax())} has no value")
            if len(self._choices(name)) < 2:
                raise InputError(f"{self.name}: gene {name!r}: all rows have the same value, so it is no gene")
        twice = self.rows.duplicated(list(self.genes))
        if twice.any():
            raise InputError(
                f"{self.name}: {int(twice.sum())} rows repeat the genes of another, the first is row "
                f"{int(twice.argmax())}; there must be one row for each architecture"
            )

    def _choices(self, name: str) -> tuple[Choice, ...]:
        values: list[Choice] = self._column(name).tolist()
        kinds = {next((i for i, kind in enumerate(_KINDS) if isinstance(value, kind)), None) for value in values}
        if len(kinds) > 1 or None in kinds:
            raise InputError(f"{self.name}: gene {name!r}: its values must all be text, all numbers, or all true/false")
        return tuple(sorted(set(values)))

    def _numbers(self, name: str, *, missing: bool = False) -> FloatArray:
        column = self._column(name)
        if not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
            raise InputError(f"{self.name}: column {name!r}: not numeric ({column.dtype})")
        numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
        bad = ~np.isfinite(numbers)
        if bad.any() and not missing:
            raise InputError(f"{self.name}: column {name!r}: row {int(bad.argmax())} has no number")
        return np.where(bad, np.nan, numbers)

    def _column(self, name: str) -> pd.Series:
        if name not in self.rows.columns:
            there = ", ".join(map(str, self.rows.columns))
            raise InputError(f"{self.name}: no column {name!r}; there are {there}")
        return self.rows[name]
