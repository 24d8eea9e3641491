"""Pages of laws and of choices, and what of a run becomes data of a law."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from nas_search.errors import InputError
from nas_search.profiler.measurement import Failure
from nas_search.profiler.workload import Workload
from nas_search.proxies.law import fit_law
from nas_search.proxies.law_points import LawPoints
from nas_search.proxies.scaling_law import ScalingLaw
from nas_search.results.law_page import choice_html, law_html
from nas_search.results.law_plots import choice_figure, law_figure
from nas_search.search.block_grid import BlockGrid, parse_block
from nas_search.search.depth_width import Choice, choose, time_shapes
from nas_search.search.network_latency import Latency
from nas_search.search.run_points import run_points
from nas_search.search.study import Study
from nas_search.space.architecture import Architecture


def points(*, latencies: bool) -> LawPoints:
    depth, width = np.array(np.meshgrid([2, 4, 8], [64, 128, 256, 512], indexing="ij"), dtype=float).reshape(2, -1)
    loss = 1.5 + 1 / depth + 20 / width
    return LawPoints("<b>", depth, width, np.full(12, 1e6), loss, depth + width / 100 if latencies else None)


@pytest.fixture(scope="module")
def law() -> ScalingLaw:
    return fit_law(points(latencies=False), resamples=20)


@pytest.fixture(scope="module")
def choice(law: ScalingLaw) -> Choice:
    def latencies(networks: Sequence[Architecture]) -> list[Latency | Failure]:
        found = [Latency(value=float(one.depth + one.width / 100), source="estimate") for one in networks]
        return [*found[:-1], Failure(reason="out of memory")]

    grid = BlockGrid(parse_block("(a f)"), (1, 2, 4), (64, 256, 1024), vocabulary=256)
    workload = Workload.parse("decode:256")
    return choose(law, time_shapes(grid, "7ms", latencies, workload), device="made", tokens=1e6)


def lines(figure: Any, mode: str) -> dict[str, Any]:
    return {trace.name: trace for trace in figure.data if trace.mode == mode}


def test_losses_against_width_with_the_law_as_curves(law: ScalingLaw) -> None:
    figure = law_figure(law, points(latencies=False))
    curves, observed = lines(figure, "lines"), lines(figure, "markers")
    assert list(curves) == list(observed) == ["depth 2", "depth 4", "depth 8"]
    assert list(observed["depth 4"].x) == [64, 128, 256, 512]
    for name, curve in curves.items():
        assert list(curve.y) == sorted(curve.y, reverse=True)
        assert curve.y[-1] == pytest.approx(observed[name].y[-1], rel=1e-3)
        assert curve.line.color == observed[name].marker.color
    assert figure.layout.xaxis.title.text == "width (log scale)"


def test_losses_against_latency_where_there_is_one(law: ScalingLaw) -> None:
    figure = law_figure(law, points(latencies=True))
    curve = lines(figure, "lines")["depth 8"]
    assert list(curve.x) == pytest.approx([8.64, 9.28, 10.56, 13.12])
    assert list(curve.y) == pytest.approx([1.5 + 1 / 8 + 20 / width for width in (64, 128, 256, 512)], rel=1e-3)
    assert figure.layout.xaxis.title.text == "latency, ms (log scale)"


def test_a_choice_by_depth_with_its_budget(choice: Choice) -> None:
    figure = choice_figure(choice)
    members = lines(figure, "lines+markers")
    assert list(members) == ["depth 2", "depth 4", "depth 8"]
    assert list(members["depth 2"].marker.symbol) == ["circle", "circle", "circle-open"]
    assert list(members["depth 8"].x) == [8.64, 10.56]
    (star,) = lines(figure, "markers").values()
    assert (star.x[0], star.y[0]) == (
        choice.winner.latency.value if choice.winner.latency else None,
        choice.winner.loss,
    )
    assert figure.layout.shapes[0].x0 == 7.0
    assert "estimate" in figure.layout.xaxis.title.text


def test_pages_are_whole_and_escaped(law: ScalingLaw, choice: Choice) -> None:
    for text in (law_html(law, points(latencies=True), ["a < b"]), choice_html(choice, ["a < b"])):
        assert text.startswith("<!doctype html>")
        assert "a &lt; b" in text
        assert "of <b>" not in text
        assert text.count("data-picture") >= 1


def test_a_run_gives_each_trial_at_every_rung(study: Study) -> None:
    found = run_points(study)
    trained = [record for record in study.records() if record.rung_scores]
    assert len(found) == sum(len(record.rung_scores) for record in trained)
    rungs = sorted(set(found.tokens))
    assert rungs == [21_845, 65_536]
    first = trained[0]
    network = Architecture.parse(first.architecture)
    count = len(first.rung_scores)
    assert found.depth[:count].tolist() == [network.depth] * count
    assert found.width[:count].tolist() == [network.width] * count
    assert found.loss[:count].tolist() == list(first.rung_scores)
    assert found.loss_name == "bits per byte"
    assert found.latency_ms is not None
    assert found.latency_ms[0] == first.latency_ms
    with pytest.raises(InputError, match="2 different budgets of tokens"):
        fit_law(found)
    one = fit_law(found.at_tokens(65_536), resamples=20)
    assert one.dropped == ("tokens",)
    assert one.loss == "bits per byte"


def test_twins_count_with_their_own_width(remote: Study) -> None:
    assert set(run_points(remote).width) <= {32, 64, 96, 128, 160}
