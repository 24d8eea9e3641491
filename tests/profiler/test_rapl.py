import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_search.errors import InputError
from nas_search.profiler.rapl import POWERCAP, Counter, RaplMeter
from nas_search.profiler.timing import Elapsed

RANGE_UJ = 262_143_328_850


def zone(powercap: Path, name: str, title: str, energy_uj: int) -> Path:
    folder = powercap / name
    folder.mkdir(parents=True)
    (folder / "name").write_text(f"{title}\n")
    (folder / "max_energy_range_uj").write_text(f"{RANGE_UJ}\n")
    (folder / "energy_uj").write_text(f"{energy_uj}\n")
    return folder / "energy_uj"


def test_packages_are_added_up_and_their_parts_are_not(tmp_path: Path) -> None:
    first = zone(tmp_path, "intel-rapl:0", "package-0", 1_000_000)
    second = zone(tmp_path, "intel-rapl:1", "package-1", 5_000_000)
    others = [
        zone(tmp_path, "intel-rapl:0:0", "core", 100),
        zone(tmp_path, "intel-rapl:2", "psys", 100),
        zone(tmp_path, "intel-rapl-mmio:0", "package-0", 100),
    ]
    meter = RaplMeter(tmp_path)
    meter.start()
    first.write_text("1250000\n")
    second.write_text("5500000\n")
    for other in others:
        other.write_text("99999999\n")
    assert meter.stop() == Elapsed(750.0, 750.0)
    assert meter.stop() == Elapsed(750.0, 750.0)
    meter.start()
    assert meter.stop() == Elapsed(0.0, 0.0)


def test_a_counter_that_starts_again_is_followed(tmp_path: Path) -> None:
    counter = zone(tmp_path, "intel-rapl:0", "package-0", RANGE_UJ - 2_000)
    meter = RaplMeter(tmp_path)
    meter.start()
    counter.write_text("3000\n")
    assert meter.stop().device == pytest.approx(5.0)


@given(st.integers(0, RANGE_UJ - 1), st.integers(0, RANGE_UJ - 1))
def test_whatever_was_spent_is_counted(before: int, spent: int) -> None:
    counter = Counter(POWERCAP, RANGE_UJ)
    assert counter.spent(before, (before + spent) % RANGE_UJ) == spent


def test_without_counters_energy_is_refused_in_one_line(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", "psys", 100)
    with pytest.raises(InputError, match="no energy counters") as refused:
        RaplMeter(tmp_path)
    assert "\n" not in str(refused.value)
    with pytest.raises(InputError, match="no energy counters"):
        RaplMeter(tmp_path / "nowhere")


@pytest.mark.parametrize("content", [None, "", "no number"])
def test_counters_that_cannot_be_read_are_refused_in_one_line(tmp_path: Path, content: str | None) -> None:
    """The kernel lets only root read them; a missing file stands for that, since tests may run as root."""
    counter = zone(tmp_path, "intel-rapl:0", "package-0", 100)
    if content is None:
        counter.unlink()
    else:
        counter.write_text(content)
    with pytest.raises(InputError, match="cannot be read") as refused:
        RaplMeter(tmp_path)
    assert "\n" not in str(refused.value)


def test_planning_is_by_cpu_time(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0", 100)
    before, asleep = time.thread_time(), RaplMeter(tmp_path)
    time.sleep(0.05)
    assert asleep.seconds() - before < 0.04
