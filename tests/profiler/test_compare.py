"""Comparisons of figures by formula."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from cuda_fakes import H100, FakeDriver

from nas_search.errors import InputError
from nas_search.profiler.compare import compare
from nas_search.profiler.comparison import ComparedFigure, Comparison, Ratio
from nas_search.profiler.cuda.devices import cuda_devices
from nas_search.profiler.device import Device, resolve_device
from nas_search.profiler.device_rates import DeviceRates, device_rates
from nas_search.profiler.estimate import workload_bound_ms
from nas_search.profiler.known_devices import find_known
from nas_search.profiler.measure import Rounds
from nas_search.profiler.measurement import Failure, Measurement, Outcome
from nas_search.profiler.roofline import Rates
from nas_search.profiler.timing import Progress
from nas_search.profiler.workload import Workload
from nas_search.space.architecture import Architecture

CPU = resolve_device("cpu")
NETWORKS = [Architecture.parse(text) for text in ("w64 (a f)x2", "w64 (m2 f)x2", "w32 f")]
# Milliseconds, tokens a second, MiB or millijoules of the three.
FIGURES = {"decode": (8.0, 4.0, 2.0), "throughput": (100.0, 250.0, 300.0), "memory": (30.0, 20.0, 60.0)}
FIGURES["energy"] = FIGURES["decode"]
RATES = Rates(1e9, 1e10, 0.0)
BATCH = 7


def measured(value: float, workload: Workload, /, **more: Any) -> Measurement:
    fields: dict[str, Any] = {
        "device_id": CPU.id, "workload": str(workload), "unit": workload.unit, "precision": workload.precision,
        "kernels": (), "value": value, "low": 0.9 * value, "high": 1.1 * value, "n": 9, "wall": value,
        "device": 0.5 * value, "clock": "wall", "busy": False, "batch": BATCH,
    }  # fmt: skip
    return Measurement(**{**fields, **more})


class Formula:
    """Measures by FIGURES. All rounds are disturbed alike; ``failing`` networks have no figure."""

    def __init__(self, failing: Sequence[int] = (), **more: Any) -> None:
        self.failing, self.more = failing, more
        self.asked: list[tuple[str, int]] = []

    def __call__(
        self,
        architectures: Sequence[Architecture],
        workload: Workload,
        *,
        device: Device,
        seed: int,
        stop: Any,
        progress: Progress | None,
        rounds: Rounds,
    ) -> list[Outcome]:
        self.asked.append((str(workload), seed))
        if progress is not None:
            progress(1, 2)
        disturbance = np.random.default_rng(0).uniform(1, 3, size=40)
        outcomes: list[Outcome] = []
        for index, value in enumerate(FIGURES[workload.kind]):
            if index in self.failing:
                outcomes.append(Failure(reason="out of memory"))
                continue
            if workload.kind != "memory":
                rounds(index, value * disturbance)
            outcomes.append(measured(value, workload, **(self.more if index else {})))
        return outcomes


def rates_of(device: Device, dtype: str, *, seed: int, progress: Progress | None) -> DeviceRates:
    if progress is not None:
        progress(2, 2)
    return DeviceRates(origin="measured", source="test", dtype=dtype, **RATES._asdict())


def compared(*texts: str, formula: Formula | None = None, **options: Any) -> Comparison:
    workloads = [Workload.parse(text) for text in texts]
    measure_networks = formula or Formula()
    return compare(NETWORKS, workloads, CPU, seed=5, measure_networks=measure_networks, rates_of=rates_of, **options)


def figures(*texts: str, **options: Any) -> list[tuple[ComparedFigure, ...]]:
    return [workload.figures for workload in compared(*texts, **options).workloads]


def ratios(text: str, **options: Any) -> list[Ratio]:
    return [figure.ratio for figure in figures(text, **options)[0] if figure.ratio is not None]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("decode:64", [1.0, 2.0, 4.0]),
        ("energy:64", [1.0, 2.0, 4.0]),
        ("throughput:64", [1.0, 2.5, 3.0]),
        ("memory:64", [1.0, 1.5, 0.5]),
    ],
)
def test_above_one_is_better_than_the_first(text: str, expected: list[float]) -> None:
    found = ratios(text)
    assert [ratio.value for ratio in found] == pytest.approx(expected)
    assert (found[0].low, found[0].high) == (1.0, 1.0)
    for ratio in found[1:]:
        assert ratio.low <= ratio.value <= ratio.high


def test_what_disturbs_whole_rounds_does_not_widen_the_interval_of_a_ratio() -> None:
    for ratio in ratios("decode:64"):
        assert (ratio.low, ratio.high) == pytest.approx((ratio.value, ratio.value))


def test_one_after_the_other_both_intervals_count() -> None:
    _, second, _ = ratios("throughput:64")
    assert (second.low, second.high) == pytest.approx((2.5 * 0.9 / 1.1, 2.5 * 1.1 / 0.9))
    _, second, _ = ratios("memory:64")
    assert (second.low, second.high) == pytest.approx((1.5 * 0.9 / 1.1, 1.5 * 1.1 / 0.9))


def test_figures_of_two_clocks_are_not_divided() -> None:
    """The first is on the wall clock and has half as much on the device's, the others are on that."""
    _, second, _ = ratios("throughput:64", formula=Formula(clock="device", device=250.0))
    assert second.value == pytest.approx(250.0 / (0.5 * 100.0))
    assert second.low == pytest.approx(second.value * 0.9 / 1.1)


def test_ceilings_are_bounds_of_latency_and_throughput() -> None:
    decode, throughput, memory, energy = figures("decode:64", "throughput:64", "memory:64", "energy:64")
    for network, latency, rate in zip(NETWORKS, decode, throughput, strict=True):
        bound = workload_bound_ms(network, Workload.parse("decode:64"), RATES)
        assert isinstance(latency.outcome, Measurement)
        assert latency.ceiling == pytest.approx(bound)
        assert latency.reached == pytest.approx(bound / latency.outcome.value)
        bound = workload_bound_ms(network, Workload.parse(f"decode:64,batch={BATCH}"), RATES)
        assert isinstance(rate.outcome, Measurement)
        assert rate.ceiling == pytest.approx(1000 * BATCH / bound)
        assert rate.reached == pytest.approx(rate.outcome.value * bound / (1000 * BATCH))
    assert all(figure.ceiling is None and figure.reached is None for figure in (*memory, *energy))


def test_every_format_has_its_rates_and_memory_needs_none() -> None:
    formula = Formula()
    comparison = compared("decode:64", "decode:64,dtype=bfloat16", "memory:64", formula=formula)
    assert [found.rates and found.rates.dtype for found in comparison.workloads] == ["float32", "bfloat16", None]
    assert formula.asked == [("decode:64", 5), ("decode:64,dtype=bfloat16", 5), ("memory:64", 5)]


def test_what_failed_has_a_reason_and_the_others_have_figures() -> None:
    comparison = compared("decode:64", "memory:64", formula=Formula(failing=[1]))
    assert comparison.failures == [Failure(reason="out of memory")] * 2
    for workload in comparison.workloads:
        assert workload.figures[1] == ComparedFigure(outcome=Failure(reason="out of memory"))
        assert workload.figures[2].ratio is not None


def test_without_the_first_there_are_no_ratios() -> None:
    (row,) = figures("decode:64", formula=Formula(failing=[0]))
    assert [figure.ratio for figure in row] == [None] * 3
    assert row[1].reached is not None


def test_nothing_is_divided_by_zero() -> None:
    _, second, third = figures("memory:64", formula=Formula(value=0.0, low=0.0, high=0.0))[0]
    assert second.ratio is third.ratio is None


def test_says_what_was_compared_where_and_survives_json() -> None:
    comparison = compared("decode:64", "throughput:64", formula=Formula(failing=[2]))
    assert (comparison.source, comparison.device_id) == ("measured", CPU.id)
    assert [each.parameters for each in comparison.architectures] == [network.parameters for network in NETWORKS]
    document = comparison.model_dump_json()
    assert Comparison.model_validate_json(document).model_dump_json() == document


def test_progress_rises_over_all_steps() -> None:
    told: list[tuple[int, int]] = []
    compared("decode:64", "throughput:64", "memory:64", progress=lambda *now: told.append(now))
    assert told == [(100, 400), (150, 400), (250, 400), (350, 400)]


def test_equal_networks_and_single_ones_are_refused() -> None:
    workloads = [Workload.parse("decode:64")]
    again = Architecture.parse("w64 a f a f")
    with pytest.raises(InputError, match="architectures 1 and 4 are the same, w64"):
        compare([*NETWORKS, again], workloads, CPU, seed=0)
    with pytest.raises(InputError, match="two or more are needed"):
        compare(NETWORKS[:1], workloads, CPU, seed=0)


def test_a_device_that_is_not_here_cannot_compare() -> None:
    elsewhere = Device(name="h100", fingerprint={"kind": "cuda"})
    with pytest.raises(InputError, match="'h100' is not on this machine"):
        compare(NETWORKS, [Workload.parse("decode:64")], elsewhere, seed=0)


def test_a_known_device_has_its_published_rates() -> None:
    (device,) = cuda_devices(FakeDriver((H100,)))
    known = find_known("h100")
    assert known is not None
    found = device_rates(device, "bfloat16", seed=0)
    assert (found.origin, found.source, found.rates) == ("published", known.source, known.rates("bfloat16"))


def test_an_unknown_device_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    from nas_search.profiler import device_rates as module
    from nas_search.profiler.isolated import run_here
    from nas_search.profiler.rates import SIZES, Sizes

    monkeypatch.setitem(SIZES, "cpu", Sizes(1 << 20, 64, 10))
    monkeypatch.setattr(module, "RATES_STOP", module.RATES_STOP.__class__(max_rounds=9, max_seconds=5.0))
    found = device_rates(CPU, "bfloat16", seed=0, run=run_here)
    assert (found.origin, found.dtype) == ("measured", "bfloat16")
    assert found.source.startswith("median of 9, ")
    assert min(found.rates) > 0
