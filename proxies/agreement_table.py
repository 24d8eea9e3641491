"""Scores of networks from a table: a row for each, a column for each training budget."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nas_search.errors import InputError
from nas_search.frames import read_frame
from nas_search.proxies.agreement import DEPTH, LATENCY, PARAMETERS, Proxy, Scores
from nas_search.proxies.rank_correlation import Vector
from nas_search.space.architecture import Architecture

if TYPE_CHECKING:
    import pandas as pd

ARCHITECTURE = "architecture"


def read_scores(path: Path, losses: Sequence[str], latency: str | None = None) -> Scores:
    """Losses after ever longer trainings, the last of which is the truth, from columns of a CSV or parquet file.

    Rows in which one of them is empty are left out. Parameters and depth are those of the column ``architecture``
    (notations) if there is one, else of the columns ``parameters`` and ``depth``. Raises InputError, with the row, for
    what cannot be read.
    """
    frame = read_frame(path)
    if len(losses) < 2:
        raise InputError(f"{path}: name two columns of losses at least, the shortest training first; {_there(frame)}")
    if len(set(losses)) < len(losses):
        raise InputError(f"{path}: give each column of losses once")
    columns = {name: _column(frame, name, path) for name in (*losses, *([latency] if latency else []))}
    whole = np.isfinite(np.array(list(columns.values()))).all(axis=0)
    kept = frame[whole]
    latencies = columns[latency][whole] if latency else None
    if latencies is not None and not (latencies > 0).all():
        raise InputError(f"{path}: column '{latency}': a latency is not above 0")
    *proxies, target = losses
    trained = [Proxy(name, columns[name][whole], rung) for rung, name in enumerate(proxies)]
    timed = [] if latencies is None else [Proxy(LATENCY, -latencies)]
    return Scores(
        source=str(path),
        target=target,
        truth=columns[target][whole],
        proxies=(*trained, *_sizes(kept, path), *timed),
        latencies=latencies,
        architectures=tuple(map(str, kept[ARCHITECTURE])) if ARCHITECTURE in kept else (),
        left_out=len(frame) - len(kept),
    )


def size_proxies(architectures: Sequence[Architecture]) -> tuple[Proxy, ...]:
    """The numbers of parameters and of operators, more of which promise a lower loss."""
    parameters = np.array([-architecture.parameters for architecture in architectures], dtype=np.float64)
    depth = np.array([-architecture.depth for architecture in architectures], dtype=np.float64)
    return Proxy(PARAMETERS, parameters), Proxy(DEPTH, depth)


def _sizes(frame: pd.DataFrame, path: Path) -> tuple[Proxy, ...]:
    if ARCHITECTURE in frame:
        return size_proxies([Architecture.parse(str(notation)) for notation in frame[ARCHITECTURE]])
    found = {name: -_column(frame, name, path) for name in (PARAMETERS, DEPTH) if name in frame}
    return tuple(Proxy(name, values) for name, values in found.items() if np.isfinite(values).all())


def _column(frame: pd.DataFrame, name: str, path: Path) -> Vector:
    """The column's values, NaN where it is empty. Raises InputError with the first row, from 1, that has no number."""
    import pandas as pd

    count = list(frame.columns).count(name)
    if count != 1:
        trouble = f"there are {count} columns '{name}'" if count else f"there is no column '{name}'; {_there(frame)}"
        raise InputError(f"{path}: {trouble}")
    column = frame[name]
    values = np.asarray(pd.to_numeric(column, errors="coerce"), dtype=np.float64)
    bad = np.flatnonzero(~np.isfinite(values) & column.notna().to_numpy())
    if len(bad):
        cell = str(column.iloc[bad[0]])[:40]
        raise InputError(f"{path}: column '{name}': row {bad[0] + 1} below the header has {cell!r}, not a number")
    return values


def _there(frame: pd.DataFrame) -> str:
    return f"the columns are {', '.join(map(str, frame.columns))}"
