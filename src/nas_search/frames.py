"""Reading tables that somebody else wrote."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nas_search.errors import InputError, first_line

if TYPE_CHECKING:
    import pandas as pd


def read_frame(path: Path) -> pd.DataFrame:
    """The rows of a ``.csv`` or ``.parquet`` file. Raises InputError, one line that names the file."""
    import pandas as pd

    kind = path.suffix.lower()
    try:
        if not path.is_file():
            raise InputError(f"{path}: no such file; give a table (.parquet or .csv)")
        if kind not in {".parquet", ".csv"}:
            raise InputError(f"{path}: not a table: give a .parquet or .csv file")
        frame = pd.read_parquet(path) if kind == ".parquet" else pd.read_csv(path)
    except (OSError, ValueError) as error:  # pandas and pyarrow raise subclasses of these for what they cannot parse
        raise InputError(f"{path}: cannot be read: {first_line(error)}") from None
    if kind == ".csv" and not isinstance(frame.index, pd.RangeIndex):
        raise InputError(f"{path}: its rows have more values than the header has names")
    return frame
