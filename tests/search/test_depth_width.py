"""Depth and width by a law that is written down, with latencies by formula."""

from collections.abc import Sequence
from typing import Any

import pytest

from nas_search.errors import InputError
from nas_search.profiler.device import Device
from nas_search.profiler.known_devices import find_known
from nas_search.profiler.measurement import Failure
from nas_search.profiler.workload import Workload
from nas_search.proxies.scaling_law import ScalingLaw
from nas_search.search.block_grid import DEFAULT_DEPTHS, BlockGrid, parse_block, repeats_within
from nas_search.search.chosen_shape import second_stage, shortest_block
from nas_search.search.depth_width import Choice, choose, time_shapes
from nas_search.search.latency_source import LatencySource
from nas_search.search.network_latency import Latency, latencies_from, latency_workload
from nas_search.space.architecture import Architecture
from nas_search.space.search_space import load_space

WORKLOAD = Workload.parse("decode:256")
NAMES = ("L0", "a", "alpha", "b", "beta")
DEEP = (1.0, 4.0, 1.0, 1.0, 0.1)  # depth helps much, width little
WIDE = (1.0, 1.0, 0.1, 100.0, 1.0)


def law(best: Sequence[float] = DEEP, resamples: Sequence[Sequence[float]] = (DEEP,), **fields: Any) -> ScalingLaw:
    values = {
        "source": "made", "loss": "loss", "rows": 9, "dropped": ("tokens",),
        "observed": {
            "depth": {"values": (4.0, 8.0, 16.0), "mean": 8.0},
            "width": {"values": (64.0, 128.0, 256.0), "mean": 128.0},
            "tokens": {"values": (1e6,), "mean": 1e6},
        },
        "coefficients": {
            name: {"value": value, "low": value, "high": value} for name, value in zip(NAMES, best, strict=True)
        },
        "resampling": "none", "resamples": tuple(map(tuple, resamples)),
        "error": {"n": 9, "mean": 0.01, "greatest": 0.02}, "held_out": (),
    }  # fmt: skip
    return ScalingLaw.model_validate({**values, **fields})


def grid(repeats: tuple[int, ...] = (2, 4, 8), widths: tuple[int, ...] = (64, 128, 256)) -> BlockGrid:
    return BlockGrid(parse_block("(a f)"), repeats, widths, vocabulary=256)


def by_formula(networks: Sequence[Architecture]) -> list[Latency | Failure]:
    """A millisecond for each layer, a little for the width."""
    return [Latency(value=network.depth + network.width / 100, source="table") for network in networks]


def chosen(found: ScalingLaw, budget: str = "9ms", latencies: Any = by_formula, **fields: Any) -> Choice:
    return choose(found, time_shapes(grid(**fields), budget, latencies, WORKLOAD), device="made", tokens=1e6)


def test_the_lowest_predicted_loss_within_the_budget() -> None:
    choice = chosen(law())
    assert (choice.winner.depth, choice.winner.width) == (8, 64)
    assert choice.winner.architecture == "w64 (a f)x4"
    assert choice.winner.loss == pytest.approx(1 + 4 / 8 + 64**-0.1)
    assert [(one.depth, one.width) for one in choice.candidates] == [
        (depth, width) for depth in (4, 8, 16) for width in (64, 128, 256)
    ]
    within = {(one.depth, one.width) for one in choice.candidates if one.within}
    assert within == {(4, 64), (4, 128), (4, 256), (8, 64)}


def test_another_law_takes_width_instead() -> None:
    assert (chosen(law(WIDE, [WIDE])).winner.depth, chosen(law(WIDE, [WIDE])).winner.width) == (4, 256)


def test_the_best_depth_rises_with_the_budget() -> None:
    depths = [chosen(law(), f"{budget}ms").winner.depth for budget in (7, 9, 20)]
    assert depths == [4, 8, 16]


def test_shares_are_those_of_resamples_within_the_budget() -> None:
    choice = chosen(law(resamples=[DEEP, DEEP, DEEP, WIDE]))
    shares = {(one.depth, one.width): one.best_share for one in choice.candidates if one.best_share}
    assert shares == {(8, 64): 0.75, (4, 256): 0.25}
    assert choice.winner.loss_low <= choice.winner.loss < choice.winner.loss_high


@pytest.mark.parametrize(("budget", "bound"), [("9ms", 9.0), ("0.009s", 9.0), ("2x", 2 * 4.64), ("w128 (a f)x3", 7.28)])
def test_forms_of_budgets(budget: str, bound: float) -> None:
    assert chosen(law(), budget).budget == pytest.approx(bound)


def test_an_architecture_as_budget_is_no_candidate() -> None:
    asked: list[int] = []

    def count(networks: Sequence[Architecture]) -> list[Latency | Failure]:
        asked.append(len(networks))
        return by_formula(networks)

    assert len(chosen(law(), "w128 (a f)x3", count).candidates) == 9
    assert asked == [10]


def test_no_candidate_meets_the_budget() -> None:
    with pytest.raises(InputError) as caught:
        chosen(law(), "4ms")
    assert str(caught.value) == (
        "latency budget '4ms' (4 ms/token): none of 9 candidates meets it; the fastest is w64 (a f)x2 with 4.64 "
        "ms/token"
    )


def test_what_could_not_be_measured_is_not_chosen() -> None:
    def largest_fails(networks: Sequence[Architecture]) -> list[Latency | Failure]:
        failed = Failure(reason="out of memory")
        return [failed if one.width > 64 else found for one, found in zip(networks, by_formula(networks), strict=True)]

    choice = chosen(law(WIDE, [WIDE]), "2x", largest_fails)
    assert (choice.winner.depth, choice.winner.width) == (8, 64)
    assert {one.reason for one in choice.candidates if one.width > 64} == {"out of memory"}
    assert not any(one.within for one in choice.candidates if one.latency is None)
    with pytest.raises(InputError, match="'2x': no candidate could be measured: lost"):
        chosen(law(), "2x", lambda networks: [Failure(reason="lost")] * len(networks))
    with pytest.raises(InputError, match=r"'w128 a': not measured, out of memory"):
        chosen(law(), "w128 a", largest_fails)


def test_what_is_outside_of_the_data_is_marked() -> None:
    choice = chosen(law(), "50ms", repeats=(4, 16), widths=(64, 512))
    marked = {(one.depth, one.width): one.extrapolated for one in choice.candidates}
    assert marked == {(8, 64): False, (8, 512): True, (32, 64): True, (32, 512): True}


def test_a_law_without_width_cannot_choose() -> None:
    fields = {
        "dropped": ("width", "tokens"),
        "coefficients": {name: {"value": 1.0, "low": 1.0, "high": 1.0} for name in NAMES[:3]},
        "resamples": ((1.0, 1.0, 1.0),),
    }
    with pytest.raises(InputError, match="no term of width"):
        chosen(law(**fields))


def test_blocks() -> None:
    def codes(text: str) -> list[str]:
        return [operator.code for operator in parse_block(text)]

    assert codes("(d f m2 f)") == codes(" d f m2 f ") == ["d", "f", "m2", "f"]
    assert codes("m2") == ["m2"]
    assert codes("(a)x2 (d f)") == ["a", "a", "d", "f"]
    with pytest.raises(InputError, match="column"):
        parse_block("(a g)")
    with pytest.raises(InputError, match="of width 100 with the block 2 times: operator 1"):
        BlockGrid(parse_block("a[heads=8]"), (2,), (100,), vocabulary=256).networks()


def test_repeats_stay_within_the_data() -> None:
    assert repeats_within(law(), parse_block("(a f)")) == (2, 3, 4, 5, 6, 7, 8)
    assert repeats_within(law(), parse_block("(d f m2 f)")) == (1, 2, 3, 4)
    assert repeats_within(law(), parse_block("a")) == (4, 5, 6, 7, 9, 11, 13, 16)
    assert DEFAULT_DEPTHS == 8
    with pytest.raises(InputError, match="block of 20 operators: the law's data are of 4 to 16 operators"):
        repeats_within(law(), parse_block("a f " * 10))


def test_the_second_stage_has_one_width_and_at_most_the_depth() -> None:
    cpu = load_space("cpu")
    space = second_stage(cpu, depth=10, width=128)
    assert (space.widths, space.max_operators, space.name) == ((128,), 10, "cpu-w128-d10")
    assert (space.ratios, space.ffns) == (cpu.ratios, cpu.ffns)
    assert {one.width for one in space.sample_architectures(20, seed=0)} == {128}
    assert max(one.depth for one in space.sample_architectures(60, seed=0)) <= 10
    with pytest.raises(InputError, match="space cpu with width 100: widths: 100 does not suit"):
        second_stage(cpu, depth=10, width=100)


@pytest.mark.parametrize(
    ("depth", "ratios", "ffns"),
    [
        (9, ("0:1", "1:1", "1:2"), (0, 1, 2, "between")),
        (8, ("0:1", "1:1", "1:2"), (0, 1, "between")),
        (4, ("0:1", "1:1"), (0, 1, "between")),
        (2, ("0:1",), (0, 1, "between")),
        (1, ("0:1",), (0, "between")),
    ],
)
def test_blocks_that_are_too_long_are_left_out(depth: int, ratios: tuple[str, ...], ffns: tuple[Any, ...]) -> None:
    space = second_stage(load_space("cpu"), depth=depth, width=64)
    assert (space.ratios, space.ffns) == (ratios, ffns)
    assert max(one.depth for one in space.sample_architectures(40, seed=0)) == depth


def test_a_depth_that_no_block_has() -> None:
    paired = load_space("cpu").model_copy(update={"ratios": ("1:2",), "ffns": (1, 2)})
    assert shortest_block(paired) == 6
    with pytest.raises(InputError, match="max_operators: 5 is less than the 9 operators"):
        second_stage(paired, depth=5, width=64)


def test_published_rates_give_estimates() -> None:
    known = find_known("h100")
    device = Device(name="h100", fingerprint={"kind": "cuda", "gpu": "H100"})
    workload = latency_workload("decode:256", device.default_dtype)
    latencies = latencies_from(LatencySource(device, known=known), workload, seed=0)
    short, long = latencies([Architecture.parse("w64 a"), Architecture.parse("w64 (a f)x8")])
    assert isinstance(short, Latency)
    assert isinstance(long, Latency)
    assert short.source == long.source == "estimate"
    assert 0 < 4 * short.value < long.value
    with pytest.raises(InputError, match=r"workload 'memory:64,dtype=bfloat16': no latency"):
        latency_workload("memory:64", device.default_dtype)
