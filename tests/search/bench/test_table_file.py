"""Tables that are read, and those that are refused: in one line, with the file."""

from pathlib import Path

import pandas as pd
import pytest
from bench_fakes import GENES, frame

from nas_search.errors import InputError
from nas_search.search.bench.table_file import TableColumns, read_search_table
from nas_search.search.simulation.search_table import SearchTable


def read(path: Path, genes: tuple[str, ...] = GENES, loss: str = "bits", latency: str = "ms") -> SearchTable:
    return read_search_table(path, TableColumns(genes, loss, latency, "seconds"))


def test_csv_and_parquet_are_the_same(tmp_path: Path) -> None:
    frame().to_csv(tmp_path / "t.csv", index=False)
    frame().to_parquet(tmp_path / "t.PARQUET", index=False)
    one, other = read(tmp_path / "t.csv"), read(tmp_path / "t.PARQUET")
    assert one.latencies.tolist() == other.latencies.tolist()
    assert one.losses.tolist() == other.losses.tolist()
    assert one.seconds[:, 0].tolist() == frame().seconds.tolist()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b"", "cannot be read: EmptyDataError"),
        ("t.csv", b"width,depth\n", "a table without rows"),
        ("t.csv", b"width,\xff\n1,2\n", "cannot be read: UnicodeDecodeError"),
        ("t.parquet", b"no parquet", "cannot be read: Arrow"),
        ("t.xlsx", b"", "give a .parquet or .csv file"),
    ],
)
def test_what_is_no_table(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path / name)
    assert str(caught.value).startswith(str(tmp_path / name))
    assert "\n" not in str(caught.value)


def test_a_folder_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": "bitts"}, "no column 'bitts': did you mean 'bits'?"),
        ({"genes": ("width", "depht", "kind")}, "no column 'depht': did you mean 'depth'?"),
        ({"loss": "name"}, "not numeric"),
        ({"genes": ("width", "depth", "kind", "width")}, "column 'width': asked for twice"),
        ({"loss": "ms"}, "column 'ms': asked for twice"),
        ({"genes": ("width", "depth")}, "repeat the genes of another"),
    ],
)
def test_columns_that_do_not_fit(table: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(table, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("column", ["bits", "ms", "width", "seconds"])
def test_every_row_needs_its_figures(tmp_path: Path, column: str) -> None:
    rows = frame().astype({"width": float})
    rows.loc[3, column] = float("nan")
    rows.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(InputError, match=f"'{column}': row 3 has no"):
        read(tmp_path / "t.csv")


def test_a_loss_that_is_infinite_is_refused(tmp_path: Path) -> None:
    rows: pd.DataFrame = frame()
    rows.loc[5, "bits"] = float("inf")
    rows.to_parquet(tmp_path / "t.parquet", index=False)
    with pytest.raises(InputError, match="'bits': row 5 has no number"):
        read(tmp_path / "t.parquet")
