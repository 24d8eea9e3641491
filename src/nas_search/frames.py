"""Reading tables that somebody else wrote."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nas_search.errors import InputError, first_line
from nas_search.parquet_file import MIB, Bounds, read_parquet

if TYPE_CHECKING:
    import pandas as pd

_BOUNDS = Bounds(256 * MIB, 10_000_000, 1024 * MIB)


def read_frame(path: Path) -> pd.DataFrame:
    """The rows of a ``.csv`` or ``.parquet`` file. Raises InputError, one line that names the file."""
    import pandas as pd

    kind = path.suffix.lower()
    try:
        if not path.is_file():
            raise InputError(f"{path}: no such file; give a table (.parquet or .csv)")
        if kind not in {".parquet", ".csv"}:
            raise InputError(f"{path}: not a table: give a .parquet or .csv file")
        if path.stat().st_size > _BOUNDS.file_bytes:
            raise InputError(f"{path}: over {_BOUNDS.file_bytes // MIB:,} MiB, too large a table")
        frame = _of_parquet(path) if kind == ".parquet" else pd.read_csv(path)
    except (OSError, ValueError, OverflowError) as error:  # what pandas raises is a subclass of these
        raise InputError(f"{path}: cannot be read: {first_line(error)}") from None
    if kind == ".csv" and not isinstance(frame.index, pd.RangeIndex):
        raise InputError(f"{path}: its rows have more values than the header has names")
    return frame


def _of_parquet(path: Path) -> pd.DataFrame:
    """No index: what a file says of pandas is not looked at. Raises InputError, and ValueError beyond the bounds."""
    import pyarrow as pa

    try:
        frame: pd.DataFrame = read_parquet(path, _BOUNDS).replace_schema_metadata(None).to_pandas()
    except pa.ArrowException as error:
        raise InputError(f"{path}: cannot be read: {first_line(error)}") from None
    return frame
