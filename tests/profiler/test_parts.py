"""Finished sittings on disk."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recording_fakes import CPU, GIB, Stopwatch, make_plan

from nas_search.profiler.parts import Parts
from nas_search.profiler.sitting import SittingRequest, SittingResult
from nas_search.profiler.sittings import plan_sittings

REQUEST = plan_sittings(make_plan("decode:64"), CPU, GIB).planned[0].request
SOME_FAIL = Stopwatch(busy=True, fail=lambda network: "no kernel" if network.depth == 6 else None)
ALL_FAIL = Stopwatch(fail=lambda network: "no driver")


def make_parts(folder: Path) -> tuple[Parts, list[str]]:
    notes: list[str] = []
    parts = Parts(folder / "parts", notes.append)
    parts.begin("plan", GIB)
    return parts, notes


def equal(one: SittingResult, other: SittingResult | None) -> bool:
    assert other is not None
    arrays = ("wall", "device", "order")
    same = all(np.array_equal(getattr(one.samples, name), getattr(other.samples, name)) for name in arrays)
    return same and one._replace(samples=None) == other._replace(samples=None)


@pytest.mark.parametrize("stopwatch", [Stopwatch(), SOME_FAIL])
def test_round_trip(tmp_path: Path, stopwatch: Stopwatch) -> None:
    (parts, notes), result = make_parts(tmp_path), stopwatch(REQUEST)
    assert parts.read(0, REQUEST) is None
    parts.write(0, REQUEST, result)
    assert equal(result, parts.read(0, REQUEST))
    assert not notes


def test_a_sitting_of_which_nothing_ran(tmp_path: Path) -> None:
    (parts, _), result = make_parts(tmp_path), ALL_FAIL(REQUEST)
    parts.write(0, REQUEST, result)
    read = parts.read(0, REQUEST)
    assert read is not None
    assert (read.ran, read.failures) == ((), result.failures)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("written")
    make_parts(folder)[0].write(0, REQUEST, SOME_FAIL(REQUEST))
    return folder


@given(st.data())
def test_damage_anywhere_is_noticed(written: Path, data: st.DataObject) -> None:
    path = written / "parts" / "000.parquet"
    whole = path.read_bytes()
    content = bytearray(whole)
    where = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        del content[where:]
    else:
        content[where] ^= data.draw(st.integers(1, 255))
    try:
        path.write_bytes(content)
        parts, notes = make_parts(written)
        read = parts.read(0, REQUEST)
        if read is None:
            assert len(notes) == 1
            assert str(path) in notes[0]
        else:  # a byte that means nothing, such as the name of the program that wrote it
            assert equal(SOME_FAIL(REQUEST), read)
    finally:
        path.write_bytes(whole)


@pytest.mark.parametrize("changed", [{"seed": 1}, {"device_id": "cpu-2"}, {"batch": 2}, {"tasks": REQUEST.tasks[1:]}])
def test_a_part_of_another_request_is_not_used(tmp_path: Path, changed: dict[str, object]) -> None:
    parts, notes = make_parts(tmp_path)
    parts.write(0, REQUEST, Stopwatch()(REQUEST))
    assert parts.read(0, REQUEST.model_copy(update=changed)) is None
    assert "of another table or device, not used" in notes[0]


def test_the_same_device_may_have_another_place(tmp_path: Path) -> None:
    parts, _ = make_parts(tmp_path)
    parts.write(0, REQUEST, Stopwatch()(REQUEST))
    assert parts.read(0, REQUEST.model_copy(update={"place": "cuda:1"})) is not None


def test_memory_is_that_of_the_beginning(tmp_path: Path) -> None:
    parts, notes = make_parts(tmp_path)
    assert parts.begin("plan", 5) == GIB
    assert not notes
    assert parts.begin("other plan", 5) == 5
    assert "begun for another table or on another device" in notes[0]
    (tmp_path / "parts" / "start.json").write_bytes(b"{")
    assert parts.begin("other plan", 6) == 6
    parts.remove()
    assert not (tmp_path / "parts").exists()


def test_a_request_is_json() -> None:
    assert SittingRequest.model_validate_json(REQUEST.model_dump_json()) == REQUEST
