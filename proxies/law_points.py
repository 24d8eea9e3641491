"""What a scaling law is fitted on: losses of networks of some depth, width and number of training tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nas_search.errors import InputError
from nas_search.frames import read_frame
from nas_search.proxies.scaling_law import FACTORS, LEAST_VALUE, MOST_VALUE, Factor, Matrix, Vector

if TYPE_CHECKING:
    import pandas as pd

LOSS, LATENCY = "loss", "latency_ms"
COLUMNS = (*FACTORS, LOSS)


@dataclass(frozen=True, eq=False)
class LawPoints:
    """The n rows of ``source``, all from LEAST_VALUE to MOST_VALUE.

    ``latency_ms`` is only drawn; ``loss_name`` says what ``loss`` is. ``corpus`` is the hash of the text, if
    it is known.
    """

    source: str
    depth: Vector
    width: Vector
    tokens: Vector
    loss: Vector
    latency_ms: Vector | None = None
    loss_name: str = LOSS
    corpus: str | None = None

    def __len__(self) -> int:
        return len(self.loss)

    def column(self, factor: Factor) -> Vector:
        """A factor's value in each row."""
        columns: dict[Factor, Vector] = {"depth": self.depth, "width": self.width, "tokens": self.tokens}
        return columns[factor]

    def values(self, factors: Sequence[Factor]) -> Matrix:
        """[n, k] the values of some factors."""
        return np.column_stack([self.column(factor) for factor in factors])

    def take(self, rows: NDArray[np.bool_]) -> LawPoints:
        """Only the rows that are marked."""
        return LawPoints(
            source=self.source,
            depth=self.depth[rows],
            width=self.width[rows],
            tokens=self.tokens[rows],
            loss=self.loss[rows],
            latency_ms=None if self.latency_ms is None else self.latency_ms[rows],
            loss_name=self.loss_name,
            corpus=self.corpus,
        )

    def at_tokens(self, tokens: float) -> LawPoints:
        """Only the rows of one training budget. Raises InputError, with the budgets, if there are none."""
        rows = self.tokens == tokens
        if not rows.any():
            there = ", ".join(f"{budget:g}" for budget in np.unique(self.tokens))
            raise InputError(f"{self.source}: no row has {tokens:g} tokens; there are {there}")
        return self.take(rows)


def read_points(path: Path) -> LawPoints:
    """The rows of a CSV or parquet file with the columns ``depth``, ``width``, ``tokens``, ``loss``.

    Others are left alone, but for ``latency_ms``. Raises InputError, with the row, for what is no such number.
    """
    frame = read_frame(path)
    names = list(map(str, frame.columns))
    missing = [column for column in COLUMNS if column not in names]
    if missing:
        raise InputError(
            f"{path}: there is no column '{missing[0]}'; the columns are {', '.join(names)}, and a law needs "
            f"{', '.join(COLUMNS)}"
        )
    if frame.empty:
        raise InputError(f"{path}: a table without rows")
    read = [column for column in (*COLUMNS, LATENCY) if column in names]
    for column in read:
        if names.count(column) > 1:
            raise InputError(f"{path}: there are {names.count(column)} columns '{column}'")
    columns = {column: _numbers(frame[column], f"{path}: column '{column}'") for column in read}
    depth, width, tokens, loss = (columns[column] for column in COLUMNS)
    return LawPoints(str(path), depth, width, tokens, loss, columns.get(LATENCY))


def _numbers(column: pd.Series, where: str) -> Vector:
    """The column's values, all within bounds. Raises InputError with the first row, from 1, that is not."""
    import pandas as pd
    from pandas.api.types import is_bool_dtype, is_numeric_dtype, is_object_dtype, is_string_dtype

    kind = column.dtype
    if is_bool_dtype(kind) or not (is_numeric_dtype(kind) or is_object_dtype(kind) or is_string_dtype(kind)):
        raise InputError(f"{where}: holds {kind}, not numbers")
    if is_object_dtype(kind):  # whole numbers of any length, which only as text become infinite
        column = column.astype("string")
    values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    bad = np.flatnonzero(~((values >= LEAST_VALUE) & (values <= MOST_VALUE)))
    if len(bad):
        row = int(bad[0])
        cell = column.iloc[row]
        found = "nothing" if pd.isna(cell) else repr(str(cell)[:40])
        raise InputError(
            f"{where}: row {row + 1} below the header has {found}; a number from {LEAST_VALUE:g} to {MOST_VALUE:g} is "
            f"needed"
        )
    return np.asarray(values)
