import pickle
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from profiler_fakes import DEVICE, make_grid, make_table, setting_at

from nas_search.errors import InputError
from nas_search.profiler.device import Device
from nas_search.profiler.table import LatencyTable
from nas_search.profiler.workload import Workload
from nas_search.space.architecture import Architecture
from nas_search.space.notation import parse_operators

DECODE = Workload.parse("decode:256")


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "table.parquet"
    make_table(change=0.1).save(path)
    return path


def test_round_trip(saved: Path) -> None:
    table = make_table(change=0.1)
    loaded = LatencyTable.load(saved)
    assert loaded.hash == table.hash
    assert loaded.cells == table.cells
    assert loaded.info == table.info
    network = Architecture.parse("w128 a f m2")
    assert loaded.predict(network, DECODE) == table.predict(network, DECODE)


def test_hash_is_that_of_the_content() -> None:
    table = make_table()
    assert LatencyTable(table.info, reversed(table.cells)).hash == table.hash
    assert make_table(change=0.1).hash != table.hash
    other = table.info.model_copy(update={"seed": 1})
    assert LatencyTable(other, table.cells).hash != table.hash


def test_source() -> None:
    table = make_table()
    assert table.source == "table"
    assert LatencyTable(table.info.model_copy(update={"source": "estimate"}), ()).source == "estimate"


def test_prediction_is_calibrated() -> None:
    table, network = make_table(), Architecture.parse("w64 a f")
    assert table.raw_many([network], DECODE)[0] == 4.5
    assert table.predict(network, DECODE) == 1.0 + 2.0 * 4.5


def test_generate_is_a_weighted_sum_of_calibrated_phases() -> None:
    workload = Workload.parse("generate:11,prompt=5")
    table, network = make_table(str(workload)), Architecture.parse("w64 a")
    assert table.raw_many([network], workload)[0] == pytest.approx(1.5 * 11)
    assert table.predict(network, workload) == pytest.approx((1 + 2 * 1.5) * 11)


def test_baselines_see_depth_or_parameters_alone() -> None:
    table, networks = make_table(), [Architecture.parse("w64 a f"), Architecture.parse("w128 m2 m2")]
    assert table.baseline_many(networks, DECODE, "depth").tolist() == [5, 5]
    expected = [1.0 + 2.0 * network.parameters for network in networks]
    assert table.baseline_many(networks, DECODE, "parameters").tolist() == expected


def test_networks_with_other_meta_tokens_and_widths_in_one_question() -> None:
    table = make_grid([setting_at("step", 100), setting_at("step", 200)], lambda setting: setting.phase.context)
    networks = [Architecture.parse(f"w64 meta={meta} a") for meta in (7, 0, 50, 7)]
    assert table.predict_many(networks, Workload.parse("decode:120")).tolist() == [127, 120, 170, 127]
    assert table.predict_many([], DECODE).tolist() == []


@pytest.mark.parametrize(
    ("text", "workload", "message"),
    [
        ("w64 d", "decode:256", "no operator 'd' at width 64 for step:256,batch=1,float32"),
        ("w192 a", "decode:256", "no overhead with a vocabulary of 256 at width 192"),
        ("w64 vocab=999 a", "decode:256", "vocabulary of 999"),
        ("w64 meta=4 a", "decode:256", "step at 260 tokens is outside of what was recorded, 256 tokens"),
        ("w64 a", "prefill:256", "no prefill in float32 was recorded"),
    ],
)
def test_what_is_not_there_is_told(text: str, workload: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_table().predict_many([Architecture.parse("w64 a"), Architecture.parse(text)], Workload.parse(workload))


def test_covers() -> None:
    table = make_table()
    assert table.covers(parse_operators("a f"), (64, 128), DECODE, vocabulary=256) == []
    reasons = table.covers(parse_operators("a d"), (64, 192), DECODE, vocabulary=256)
    assert len(reasons) == 2
    assert "'d'" in reasons[0]
    assert "192" in reasons[1]
    (reason,) = table.covers(parse_operators("a"), (64, 128), Workload.parse("prefill:256"), vocabulary=256)
    assert reason.startswith("no prefill")
    assert table.covers(parse_operators("d"), (640,), Workload.parse("memory:9"), vocabulary=7) == []


def test_another_device_is_refused_by_name() -> None:
    table = make_table()
    table.require_device(DEVICE)
    fingerprint = {**DEVICE.fingerprint, "cpu": "Imaginary 2"}
    table.require_device(Device(name="cpu", fingerprint=fingerprint))  # elsewhere: only its name is known
    other = Device(name="cpu", fingerprint=fingerprint, place="cpu")
    with pytest.raises(InputError, match=r"Imaginary 1.*Imaginary 2"):
        table.require_device(other)


def test_truncated_anywhere_is_refused_in_one_line(saved: Path, tmp_path: Path) -> None:
    data = saved.read_bytes()
    path = tmp_path / "torn.parquet"
    for size in range(0, len(data), max(1, len(data) // 60)):
        path.write_bytes(data[:size])
        with pytest.raises(InputError) as caught:
            LatencyTable.load(path)
        assert "\n" not in str(caught.value)


def test_a_changed_figure_is_noticed(saved: Path, tmp_path: Path) -> None:
    arrow = pq.read_table(saved)
    index = arrow.schema.get_field_index("value")
    values = arrow.column("value").to_pylist()
    changed = arrow.set_column(index, arrow.schema.field(index), pa.array([values[0] + 1e-9, *values[1:]]))
    path = tmp_path / "changed.parquet"
    pq.write_table(changed.replace_schema_metadata(arrow.schema.metadata), path)
    with pytest.raises(InputError, match="does not match its hash"):
        LatencyTable.load(path)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"hello" * 100, pickle.dumps({"a": 1})])
def test_something_else_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.parquet"
    path.write_bytes(content)
    with pytest.raises(InputError, match="not a readable parquet file"):
        LatencyTable.load(path)


def test_a_foreign_parquet_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "foreign.parquet"
    pq.write_table(pa.table({"x": [1, 2]}), path)
    with pytest.raises(InputError, match="not a latency table"):
        LatencyTable.load(path)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (b"{", "metadata is damaged"),
        (b"[]", "metadata is damaged"),
        (b"{}", "format None"),
        (b'{"info": {"format": 99}, "hash": ""}', "format 99"),
        (b'{"info": {"format": 1}, "hash": ""}', "format 1; this version reads format 2, record it again"),
        (b'{"info": {"format": 2}, "hash": ""}', "metadata is damaged"),
    ],
)
def test_damaged_metadata_is_refused(saved: Path, tmp_path: Path, metadata: bytes, message: str) -> None:
    arrow = pq.read_table(saved).replace_schema_metadata({b"nas_search.latency_table": metadata})
    path = tmp_path / "damaged.parquet"
    pq.write_table(arrow, path)
    with pytest.raises(InputError, match=message):
        LatencyTable.load(path)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        LatencyTable.load(tmp_path / "none.parquet")
    with pytest.raises(InputError, match="Is a directory"):
        LatencyTable.load(tmp_path)
    with pytest.raises(OSError, match="No such file"):
        make_table().save(tmp_path / "no" / "table.parquet")
