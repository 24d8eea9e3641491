"""How figures are written."""

import pytest

from nas_search.results import figures


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.8988, "0.8988"), (1.05649, "1.056"), (12.0, "12.00"), (1234.5, "1234"), (123456.0, "123,456")],
)
def test_latency(value: float, text: str) -> None:
    assert figures.latency(value) == text


def test_missing_figures() -> None:
    assert figures.latency(None) == figures.bits(None) == figures.percent(None) == figures.NONE


@pytest.mark.parametrize(
    ("value", "text"), [(17, "17"), (28_800, "28.8 K"), (1_514_800, "1.51 M"), (2_650_000_000, "2.65 B")]
)
def test_count(value: float, text: str) -> None:
    assert figures.count(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(8.24, "8.2 s"), (250, "4 min 10 s"), (3599.7, "1 h 00 min"), (7500, "2 h 05 min")]
)
def test_duration(seconds: float, text: str) -> None:
    assert figures.duration(seconds) == text


def test_percent_and_interval() -> None:
    assert figures.percent(0.0432) == "4.3 %"
    assert figures.interval(0.98, 1.02) == "0.9800 to 1.020"
