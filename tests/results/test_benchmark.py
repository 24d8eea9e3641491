"""The picture of a benchmark: every sampler's line and band, where they belong."""

import pytest

from nas_search.results.benchmark import benchmark_figure
from nas_search.search.bench.summary import Estimate


def estimate(mean: float) -> Estimate:
    return Estimate(mean=mean, low=mean - 0.1, high=min(mean + 0.05, 1.0))


HYPERVOLUME = {
    "random": {1: estimate(0.3), 2: estimate(0.5), 8: estimate(0.8)},
    "bayes": {1: estimate(0.3), 2: estimate(0.7), 8: estimate(1.0)},
}
POSSIBLE = {1: 0.6, 2: 0.8, 8: 1.0}


def test_every_sampler_has_a_line_and_a_band_of_one_colour() -> None:
    *traces, _ = benchmark_figure(HYPERVOLUME, POSSIBLE).data
    assert [trace.legendgroup for trace in traces] == ["random", "random", "bayes", "bayes"]
    bands, lines = traces[::2], traces[1::2]
    assert [line.name for line in lines] == ["random", "bayes"]
    assert len({line.line.color for line in lines}) == 2
    assert bands[0].fillcolor == "rgba(47, 109, 181, 0.14)"
    assert lines[0].line.color == "#2F6DB5"


def test_heights_are_what_is_missing_and_bands_go_there_and_back() -> None:
    band, line = benchmark_figure(HYPERVOLUME, POSSIBLE).data[:2]
    assert list(line.x) == [1, 2, 8]
    assert line.y == pytest.approx((0.7, 0.5, 0.2))
    assert list(band.x) == [1, 2, 8, 8, 2, 1]
    assert band.y == pytest.approx((0.65, 0.45, 0.15, 0.3, 0.6, 0.8))
    assert line.customdata[2] == pytest.approx((0.8, 0.7, 0.85))


def test_what_is_possible_is_a_line_of_its_own() -> None:
    bound = benchmark_figure(HYPERVOLUME, POSSIBLE).data[-1]
    assert (bound.name, list(bound.x)) == ("possible", [1, 2, 8])
    assert bound.y == pytest.approx((0.4, 0.2, 0.001))


def test_what_is_found_completely_is_still_on_the_axis() -> None:
    figure = benchmark_figure(HYPERVOLUME, POSSIBLE)
    assert figure.data[3].y[-1] == pytest.approx(0.001)
    axis = figure.layout.yaxis
    assert axis.type == "log"
    assert axis.range[0] > axis.range[1]
    assert axis.range[1] < -3 < axis.range[0]
    assert dict(zip(axis.ticktext, axis.tickvals, strict=True))["0.95"] == pytest.approx(0.05)
