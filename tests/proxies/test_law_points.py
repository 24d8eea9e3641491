"""Tables of losses that are read, and those that are refused: in one line, with the file, column and row."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nas_search.errors import InputError
from nas_search.proxies.law_points import COLUMNS, read_points

GOOD = "depth,width,tokens,loss\n4,128,1e6,3.5\n8,128,1000000,3.25\n"
positive = st.floats(1e-3, 1e15, allow_nan=False, allow_infinity=False)
ANY_CELL = st.one_of(
    positive.map(repr),
    st.sampled_from(["", "nan", "NaN", "inf", "-1", "0", "x", " 7 ", "1_0", "True", '"a,b"', "1e999"]),
)


def write(folder: Path, text: str, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_columns_come_in_any_order_and_others_are_left_alone(tmp_path: Path) -> None:
    points = read_points(write(tmp_path, "loss,name,tokens,width,depth\n3.5,x,1e6,128,4\n3.25,,1e6,256,8\n"))
    assert points.depth.tolist() == [4, 8]
    assert points.width.tolist() == [128, 256]
    assert points.loss.tolist() == [3.5, 3.25]
    assert points.latency_ms is None
    assert points.source == str(tmp_path / "t.csv")


def test_csv_and_parquet_are_the_same(tmp_path: Path) -> None:
    frame = pd.DataFrame({"depth": [4, 8], "width": [1, 2], "tokens": [5, 6], "loss": [2.5, 1.5], "latency_ms": [1, 2]})
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.astype({"loss": object}).map(lambda cell: Decimal(str(cell))).to_parquet(tmp_path / "t.parquet")
    one, other = read_points(tmp_path / "t.csv"), read_points(tmp_path / "t.parquet")
    for column in (*COLUMNS, "latency_ms"):
        assert getattr(one, column).tolist() == getattr(other, column).tolist() == frame[column].tolist()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.lists(st.tuples(positive, positive, positive, positive), min_size=1, max_size=8))
def test_what_is_written_is_read(tmp_path: Path, rows: list[tuple[float, ...]]) -> None:
    path = tmp_path / "t.csv"
    pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(path, index=False)
    points = read_points(path)
    assert np.column_stack([getattr(points, column) for column in COLUMNS]) == pytest.approx(np.array(rows), rel=1e-12)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=120, deadline=None)
@given(st.lists(st.lists(ANY_CELL, min_size=1, max_size=6), max_size=5))
def test_whatever_stands_there_is_read_or_refused_in_a_line(tmp_path: Path, rows: list[list[str]]) -> None:
    path = write(tmp_path, "\n".join([",".join(COLUMNS), *map(",".join, rows)]))
    try:
        points = read_points(path)
    except InputError as error:
        assert str(error).startswith(f"{path}: ")
        assert "\n" not in str(error)
    else:
        assert len(points) >= 1
        for column in COLUMNS:
            assert np.isfinite(getattr(points, column)).all()
            assert (getattr(points, column) > 0).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot be read: EmptyDataError"),
        ("depth,width,tokens,loss\n", "a table without rows"),
        (
            "depth,width,loss\n4,128,3\n",
            "no column 'tokens'; the columns are depth, width, loss, and a law needs depth,",
        ),
        ("d,w\n", "no column 'depth'"),
        (GOOD + "4,x,1e6,3\n", "column 'width': row 3 below the header has 'x'; a number from"),
        (GOOD + "4,128,1e6,\n", "column 'loss': row 3 below the header has nothing"),
        (GOOD + "4,128,1e6,nan\n", "column 'loss': row 3 below the header has nothing"),
        (GOOD + "4,128,1e6,inf\n", "column 'loss': row 3 below the header has 'inf'"),
        (GOOD + "0,128,1e6,3\n4,-8,1e6,3", "column 'depth': row 3 below the header has '0"),
        (GOOD + "4,-8,1e6,3", "column 'width': row 3 below the header has '-8"),
        (GOOD + "4,1e26,1e6,3", "column 'width': row 3 below the header has '1e+26'; a number from 1e-25 to 1e+25 is"),
        (GOOD + "1e-320,128,1e6,3", "column 'depth': row 3 below the header has '1e-320'"),
        (GOOD + "9" * 400 + ",128,1e6,3", "column 'depth': row 3 below the header has '999"),
        ("depth,width,tokens,loss\nTrue,1,1,1\nFalse,1,1,1\n", "column 'depth': holds bool, not numbers"),
        ("depth,width,tokens,loss\n9,4,128,1e6,3\n", "more values than the header has names"),
        (GOOD.replace("loss", "loss,latency_ms").replace("\n4", ",1\n4") + "4,1,1,1,-2\n", "column 'latency_ms': row"),
    ],
)
def test_what_is_no_table_of_losses(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read_points(write(tmp_path, text))
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path / 't.csv'}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["missing.csv", "t.txt", "x" * 300 + ".csv", ".", "\0.csv"])
def test_what_is_no_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError):
        read_points(tmp_path / name)


@pytest.mark.parametrize("cells", [pd.to_datetime(["2020-01-01", "2020-01-02"]), [[1], [2]], [True, None]])
def test_parquet_columns_of_other_kinds(tmp_path: Path, cells: Any) -> None:
    path = tmp_path / "t.parquet"
    pd.DataFrame({"depth": [1, 2], "width": [1, 2], "tokens": [1, 2], "loss": cells}).to_parquet(path)
    with pytest.raises(InputError, match="column 'loss'"):
        read_points(path)


def test_one_budget_of_tokens(tmp_path: Path) -> None:
    points = read_points(write(tmp_path, GOOD + "4,128,3e6,3\n"))
    assert points.at_tokens(1_000_000).loss.tolist() == [3.5, 3.25]
    with pytest.raises(InputError, match=r"no row has 7 tokens; there are 1e\+06, 3e\+06"):
        points.at_tokens(7)
