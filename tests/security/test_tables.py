"""Tables of others: parquet that grows when it is read, that lies, or that would run code."""

import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nas_search.errors import InputError
from nas_search.frames import read_frame
from nas_search.parquet_file import MIB, Bounds, read_parquet
from nas_search.profiler.table import LatencyTable
from nas_search.profiler.table_file import METADATA_KEY, SCHEMA

SMALL = Bounds(MIB, 1000, 4 * MIB)


def latency_table(path: Path, text: str = "a", rows: int = 1, metadata: Any = None, **options: Any) -> Path:
    """A file with the columns of a latency table."""
    once = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array([text]))
    columns = [once if field.type == pa.string() else pa.array([1] * rows, field.type) for field in SCHEMA]
    found = json.dumps(metadata or {}).encode() if not isinstance(metadata, bytes) else metadata
    table = pa.Table.from_arrays(columns, names=SCHEMA.names).replace_schema_metadata({METADATA_KEY: found})
    pq.write_table(table, path, store_schema=False, **options)
    return path


def test_a_text_that_is_repeated_takes_no_memory(tmp_path: Path) -> None:
    """Some kilobytes that would be gigabytes of text when written out."""
    path = latency_table(tmp_path / "theirs.parquet", "y" * 100_000, 4000)
    assert path.stat().st_size < MIB
    with pytest.raises(InputError, match=r"theirs\.parquet.*of text, over 256"):
        LatencyTable.load(path)


def test_rows_that_are_repeated_take_no_memory(tmp_path: Path) -> None:
    path = latency_table(tmp_path / "theirs.parquet", rows=1 << 19)
    assert path.stat().st_size < 2 * MIB
    with pytest.raises(InputError, match="524,288 rows, over 262,144"):
        LatencyTable.load(path)


FLIPS = """
import sys
from pathlib import Path
from nas_search.errors import InputError
from nas_search.frames import read_frame
from nas_search.profiler.table import LatencyTable

path = Path(sys.argv[1])
whole = path.read_bytes()
for place in range(len(whole) - 8 - int.from_bytes(whole[-8:-4], "little"), len(whole)):
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
    for read in (read_frame, LatencyTable.load):
        try:
            read(path)
        except InputError:
            pass
print("alive")
"""


def test_no_damage_to_a_footer_ends_the_process(tmp_path: Path) -> None:
    """Arrow aborts where it is asked for what a damaged column says of itself; one bit is enough."""
    path = tmp_path / "theirs.parquet"
    pq.write_table(pa.table({"width": [64, 128], "mixer": ["a", "m2"], "loss": [1.5, None]}), path)
    done = subprocess.run([sys.executable, "-c", FLIPS, path], capture_output=True, text=True, check=False)
    assert done.stdout == "alive\n", done.stderr[-500:]


@pytest.mark.parametrize("metadata", [b"[" * 100_000, b"\xff", b"{", b"[]", b'{"info": {"format": 2}}', b'{"info": 3}'])
def test_metadata_that_is_none(tmp_path: Path, metadata: bytes) -> None:
    with pytest.raises(InputError, match=r"theirs\.parquet"):
        LatencyTable.load(latency_table(tmp_path / "theirs.parquet", metadata=metadata))


def test_text_that_is_not_utf8(tmp_path: Path) -> None:
    path = latency_table(tmp_path / "theirs.parquet", "abcdefgh", compression="none", use_dictionary=False)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"abcdefgh", b"abc\x80defg"))
    with pytest.raises(InputError, match=r"theirs\.parquet"):
        LatencyTable.load(path)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: pa.table({"a": ["x" * 100_000] * 900}), "of text, over 4"),
        (lambda: pa.table({"a": pa.array(["x" * 100_000] * 900, pa.large_string())}), "of text, over 4"),
        (
            lambda: pa.table({"a": pa.array([b"x" * 100_000] * 900, pa.binary(100_000))}),
            "900 rows of 1 columns",
        ),
        (lambda: pa.table({"a": [["x" * 100_000] * 3] * 300}), "column 'a' holds list"),
        (lambda: pa.table({"a": [1] * 1001}), "1,001 rows, over 1,000"),
        (lambda: pa.table({f"a{n}": [1] * 1000 for n in range(600)}), "1,000 rows of 600 columns, over 4"),
    ],
)
def test_bounds_are_looked_at_first(tmp_path: Path, make: Callable[[], pa.Table], reason: str) -> None:
    path = tmp_path / "theirs.parquet"
    pq.write_table(make(), path)
    with pytest.raises(ValueError, match=reason):
        read_parquet(path, SMALL)


def test_a_file_that_is_too_long_is_not_read_whole(tmp_path: Path) -> None:
    (tmp_path / "theirs.parquet").symlink_to("/dev/zero")
    with pytest.raises(ValueError, match="over 1 MiB"):
        read_parquet(tmp_path / "theirs.parquet", SMALL)


def test_within_bounds_a_table_is_what_it_was(tmp_path: Path) -> None:
    table = pa.table({"a": ["x", "y", None], "b": [1.5, None, 2.5], "c": pa.array([b"1", b"2", b"3"])})
    table = table.append_column("d", pa.array(["x", "y", "x"], pa.large_string()))
    table = table.append_column("e", pa.array(["x", "y", "x"]).dictionary_encode())
    pq.write_table(table, tmp_path / "theirs.parquet")
    assert read_parquet(tmp_path / "theirs.parquet", SMALL).equals(table)


def test_what_a_file_says_of_pandas_is_not_looked_at(tmp_path: Path) -> None:
    table = pa.table({"depth": [1, 2], "width": [3, 4]})
    hostile = {"index_columns": ["depth", {"kind": "range", "start": 0, "stop": 10**15, "step": 1}], "columns": 3}
    pq.write_table(table.replace_schema_metadata({"pandas": json.dumps(hostile)}), tmp_path / "theirs.parquet")
    assert read_frame(tmp_path / "theirs.parquet").to_dict("list") == {"depth": [1, 2], "width": [3, 4]}


def test_columns_of_lists_are_no_table(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [[1, 2], [3]]}), tmp_path / "theirs.parquet")
    with pytest.raises(InputError, match="column 'a' holds list"):
        read_frame(tmp_path / "theirs.parquet")


class _Trap:
    """Unpickled, it would leave a mark."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


def test_a_type_that_arrow_once_unpickled(tmp_path: Path) -> None:
    """Before version 14.0.1 Arrow made extension types of Python by unpickling what the file said."""
    mark = tmp_path / "mark"
    field = pa.field(
        "a",
        pa.int64(),
        metadata={
            "ARROW:extension:name": "arrow.py_extension_type",
            "ARROW:extension:metadata": pickle.dumps(_Trap(mark)),
        },
    )
    path = tmp_path / "theirs.parquet"
    pq.write_table(pa.Table.from_arrays([pa.array([1])], schema=pa.schema([field])), path)
    read_frame(path)
    with pytest.raises(InputError):
        LatencyTable.load(path)
    assert not mark.exists()
