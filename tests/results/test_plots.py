"""The figures: every trial is where it belongs."""

from math import log10

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_search.results.axes import log_axis, log_ticks
from nas_search.results.front_view import FrontView
from nas_search.results.page import picture
from nas_search.results.plots import front_figure, hypervolume_figure
from nas_search.results.progress import Step
from nas_search.search.study import Study


@pytest.fixture
def view(study: Study) -> FrontView:
    return FrontView(study.records(), study.front(), study.goals.main, study.source, study.limit_ms)


def test_every_trained_trial_is_drawn_once(view: FrontView) -> None:
    traces = {trace.name: trace for trace in front_figure(view).data if trace.name}
    states = [record.state for record in view.records]
    assert len(traces["front, as searched"].x) == len(view.front)
    assert len(traces["stopped, extrapolated"].x) == states.count("stopped")
    assert len(traces["complete"].x) == states.count("complete") - len(view.front)
    assert len(traces["over a limit, not trained"].x) == states.count("over_limit")
    assert traces["stopped, extrapolated"].marker.symbol == "circle-open"


def test_confirmed_points_have_their_intervals(view: FrontView) -> None:
    points = next(trace for trace in front_figure(view).data if trace.name == "front, confirmed")
    confirmed = next(record.confirmed for record in view.records if record.confirmed)
    index = list(points.x).index(confirmed.latency.value)
    assert points.x[index] + points.error_x.array[index] == pytest.approx(confirmed.latency.high)
    assert points.y[index] - points.error_y.arrayminus[index] == pytest.approx(confirmed.best.bits_per_byte)


def test_ticks_of_trials_over_a_limit_are_above_all_points(view: FrontView) -> None:
    traces = {trace.name: trace for trace in front_figure(view).data if trace.name}
    highest = max(y for name, trace in traces.items() if name != "over a limit, not trained" for y in trace.y)
    assert min(traces["over a limit, not trained"].y) > highest


def test_a_throughput_rises_to_the_left_and_its_line_steps_down(three: Study) -> None:
    quantity = three.goals.objectives[2]
    figure = front_figure(FrontView(three.records(), three.front(), quantity, three.source))
    assert figure.layout.xaxis.title.text == "throughput:1024, tokens/s (log scale, higher is better)"
    assert figure.layout.xaxis.range[0] > figure.layout.xaxis.range[1]
    line = next(trace for trace in figure.data if trace.mode == "lines" and trace.line.shape == "hv")
    assert list(line.x) == sorted(line.x, reverse=True)
    assert list(line.y) == sorted(line.y, reverse=True)
    assert 2 <= len(set(line.x)) < len(three.front())


def test_what_was_not_measured_is_drawn_as_predicted_without_a_bar(three: Study) -> None:
    quantity = three.goals.objectives[2]
    confirmed = [record for record in three.records() if record.confirmed]
    figure = front_figure(FrontView(three.records(), three.front(), quantity, three.source))
    points = next(trace for trace in figure.data if trace.name == "front, confirmed")
    for record, x, bar, text in zip(confirmed, points.x, points.error_x.array, points.text, strict=True):
        if record.measured(quantity.name):
            assert x == record.measured(quantity.name).value and bar > 0 and "tokens/s measured (" in text
        else:
            assert x == record.figures[quantity.name] and bar == 0 and "tokens/s predicted (table)" in text
    assert {record.measured(quantity.name) is None for record in confirmed} == {True, False}


def test_nothing_confirmed_leaves_no_confirmed_trace(view: FrontView) -> None:
    bare = [record.model_copy(update={"confirmed": None}) for record in view.records]
    front = [record for record in bare if record.number in {member.number for member in view.front}]
    assert "front, confirmed" not in {
        trace.name for trace in front_figure(view._replace(records=bare, front=front)).data
    }


def test_hover_text_escapes_notation_and_breaks_it_in_lines(view: FrontView) -> None:
    hostile = view.records[0].model_copy(
        update={
            "architecture": f"<b>x</b> {'a f ' * 30}",
            "state": "stopped",
            "bits_per_byte": 2.0,
            "extrapolated": True,
        }
    )
    figure = front_figure(view._replace(records=[hostile], front=[]))
    (text,) = next(trace.text for trace in figure.data if trace.name == "stopped, extrapolated")
    assert "&lt;b&gt;x&lt;/b&gt;" in text and "<b>x" not in text
    assert max(map(len, text.split("<br>"))) <= 60
    assert picture(figure, "x", "caption").count("<script") == 1


def test_hypervolume_is_drawn_over_evaluations_and_seconds() -> None:
    figure = hypervolume_figure([Step(1, 10.0, 0.5), Step(2, 25.0, 0.7)])
    assert [list(trace.x) for trace in figure.data] == [[1, 2], [10.0, 25.0]]
    assert all(list(trace.y) == [0.5, 0.7] for trace in figure.data)


def test_a_log_axis_leaves_out_what_is_not_positive() -> None:
    assert log_axis([0.0, 2.0, 8.0]) == log_axis([2.0, 8.0])
    assert log_axis([0.0, 2.0, 8.0], falling=True)["range"] == log_axis([2.0, 8.0])["range"][::-1]
    assert log_axis([0.0])["type"] == "log"


@given(st.floats(1e-3, 1e4), st.floats(1.13, 1e4))
def test_log_ticks_lie_inside_and_rise(low: float, ratio: float) -> None:
    ticks = log_ticks(low, low * ratio)
    assert ticks == sorted(ticks)
    assert 3 <= len(set(ticks)) <= 12
    assert all(log10(low) - 0.01 <= log10(tick) <= log10(low * ratio) + 0.01 for tick in ticks)
