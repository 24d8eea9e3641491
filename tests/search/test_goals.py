"""What follows from a configuration's objectives and limits."""

from collections.abc import Sequence
from typing import Any

import pytest

from nas_search.errors import InputError
from nas_search.profiler.workload import Workload
from nas_search.search.config import SearchConfig
from nas_search.search.goals import Goals
from nas_search.space.architecture import Architecture

THREE: dict[str, Any] = {
    "workload": "decode:64",
    "objectives": ("throughput:256", "loss"),
    "limits": ("memory:256<=8MiB", "throughput:256>=100"),
}


def of(**fields: Any) -> Goals:
    return Goals.of(SearchConfig.checked(fields))


def names(goals: Goals) -> list[str]:
    return [quantity.name for quantity in goals.objectives]


def test_the_main_workload_and_the_loss_come_first() -> None:
    assert names(of()) == ["decode:256", "loss"]
    assert names(of(objectives=["loss"])) == ["decode:256", "loss"]
    assert names(of(objectives=["parameters", "loss", "decode:256"])) == ["decode:256", "loss", "parameters"]


def test_workloads_are_those_of_objectives_then_of_limits_each_once() -> None:
    goals = of(**THREE)
    assert [str(workload) for workload in goals.workloads] == ["decode:64", "throughput:256", "memory:256"]
    assert [quantity.name for quantity in goals.further] == ["throughput:256", "memory:256"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"objectives": ["memory:64"]}, "loss must be one of them"),
        ({"objectives": ["loss", "loss"]}, "objective loss: given twice"),
        ({"objectives": ["loss", "memory:64", "memory:064"]}, "objective memory:64: given twice"),
        ({"objectives": ["loss", "speed"]}, "objective 'speed'"),
        ({"limits": ["parameters<=1M", "parameters<=2M"]}, "limit parameters: given twice"),
        ({"limits": ["decode:256<=1ms"], "latency_budget": "3x"}, "limit decode:256: given twice"),
        ({"workload": "memory:64"}, "a search is about a latency"),
    ],
)
def test_what_contradicts_itself_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        of(**fields)
    assert "\n" not in str(error.value)


def test_stored_goals_are_the_same() -> None:
    goals = of(**THREE).with_budget(0.1 + 0.2)
    assert Goals.stored(names(goals), [str(limit) for limit in goals.limits]) == goals
    assert goals.main_limit == 0.1 + 0.2
    assert of(**THREE).with_budget(None) == of(**THREE)


def test_points_are_minimised_and_limits_are_judged_by_share() -> None:
    goals = of(**THREE)
    figures = {"decode:64": 2.0, "throughput:256": 80.0, "memory:256": 12.0}
    assert goals.values(figures, 1.5) == [2.0, 1.5, 80.0]
    assert goals.minimised([2.0, 1.5, 80.0]) == (2.0, 1.5, -80.0)
    assert goals.unlimited([2.0, 1.5, 80.0]) == (2.0, 1.5)
    assert goals.over(figures) == {"memory:256": pytest.approx(0.5), "throughput:256": pytest.approx(0.2)}
    assert goals.excess(figures) == pytest.approx(0.7)
    assert goals.excess(figures | {"memory:256": 8.0, "throughput:256": 100.0}) == 0
    assert goals.known_point(figures) == (2.0, -80.0)


def test_figures_of_an_architecture() -> None:
    network = Architecture.parse("w64 a f")
    asked: list[str] = []

    def predict(architectures: Sequence[Architecture], workload: Workload) -> list[float]:
        asked.append(str(workload))
        return [float(architecture.depth) for architecture in architectures]

    goals = of(objectives=["loss", "parameters"], limits=["memory:64<=1GiB"])
    figures, wider = goals.figures([network, Architecture.parse("w96 a")], predict)
    assert figures == {"decode:256": 2.0, "parameters": float(network.parameters), "memory:64": 2.0}
    assert wider["decode:256"] == 1.0
    assert asked == ["decode:256", "memory:64"]
