"""Where recorded tables of devices that are not here may be: in the package, and in the user's cache.

Those of the package lie in a folder named after the device, ``recorded/h100/``; the names of those in the cache are
the device's and the beginning of the table's hash, ``h100-5d41402abc4b.parquet``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nas_search.profiler.table import LatencyTable

SHIPPED = Path(__file__).parent / "recorded"
SUFFIX = ".parquet"


def cache_folder() -> Path:
    """``nas-search/tables`` in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "nas-search" / "tables"


def recorded_tables(device_name: str | None = None) -> list[Path]:
    """The files of all recorded tables, or of one device's: first those of the package, then those of the cache."""
    found = [*sorted(SHIPPED.glob(f"*/*{SUFFIX}")), *sorted(cache_folder().glob(f"*{SUFFIX}"))]
    return [path for path in found if device_name in {None, recorded_device(path)}]


def recorded_device(path: Path) -> str:
    """The name of the device that a file of :func:`recorded_tables` is of."""
    return path.parent.name if SHIPPED in path.parents else path.stem.rpartition("-")[0]


def keep_table(table: LatencyTable) -> Path:
    """Save a table in the user's cache, where :func:`recorded_tables` finds it, and return its path."""
    path = cache_folder() / f"{table.device.name}-{table.hash[:12]}{SUFFIX}"
    path.parent.mkdir(parents=True, exist_ok=True)
    table.save(path)
    return path
