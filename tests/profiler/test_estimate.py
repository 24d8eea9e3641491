"""Tables and latencies by the roofline, and their error."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from nas_search.errors import InputError
from nas_search.profiler.cells import PhaseSetting
from nas_search.profiler.column import Costs
from nas_search.profiler.estimate import (
    estimate_cells,
    mean_error,
    roofline_error,
    workload_bound_ms,
    workload_estimate_ms,
)
from nas_search.profiler.known_devices import find_known
from nas_search.profiler.layers import NetworkSet
from nas_search.profiler.phases import Phase
from nas_search.profiler.precision import Precision
from nas_search.profiler.roofline import Rates, bound_ms, estimate_ms
from nas_search.profiler.workload import Workload
from nas_search.space.architecture import Architecture
from nas_search.space.notation import parse_operators

RATES = Rates(bandwidth_bytes_per_s=1e9, flops_per_s=1e10, launch_ms=0.01)
HALF = Precision.of("bfloat16")
SETTINGS = [PhaseSetting(Phase("step", 100), 1, HALF), PhaseSetting(Phase("prefill", 64), 4, HALF)]
OPERATORS = parse_operators("a m2 f")


def test_cells_add_up_to_the_estimate_of_a_network() -> None:
    cells = estimate_cells(OPERATORS, (64, 128), 256, SETTINGS, RATES)
    assert len(cells) == len({cell.key for cell in cells}) == len(SETTINGS) * 2 * (len(OPERATORS) + 1)
    networks = [Architecture.parse(text) for text in ("w128 a f m2 f f", "w64 m2 m2 a", "w128 f")]
    for setting in SETTINGS:
        expected = [estimate_ms(network, setting, RATES) for network in networks]
        assert Costs(cells).raw(NetworkSet(networks), setting) == pytest.approx(expected)


def test_a_cell_of_nothing_measured_says_so() -> None:
    for cell in estimate_cells(OPERATORS, (64,), 256, SETTINGS, RATES):
        assert cell.n == 0
        assert cell.value == cell.low == cell.high == cell.wall == cell.device > 0


def test_energy_does_not_follow_from_rates() -> None:
    with pytest.raises(InputError, match="energy cannot be estimated"):
        estimate_cells(OPERATORS, (64,), 256, [PhaseSetting(Phase("energy", 100), 1, HALF)], RATES)


def test_a_workload_is_the_sum_of_its_phases() -> None:
    """Three new tokens: a prefill, and a step after 14 and after 15 tokens, meta tokens included."""
    network = Architecture.parse("w64 meta=4 a f")
    workload = Workload.parse("generate:3,prompt=10,batch=2", dtype="bfloat16")
    for of_workload, of_phase in ((workload_bound_ms, bound_ms), (workload_estimate_ms, estimate_ms)):
        phases = (Phase("prefill", 14), Phase("step", 14), Phase("step", 15))
        expected = sum(of_phase(network, PhaseSetting(phase, 2, HALF), RATES) for phase in phases)
        assert of_workload(network, workload, RATES) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["memory:100", "energy:100", "throughput:100"])
def test_only_latencies_are_times(text: str) -> None:
    with pytest.raises(InputError, match=f"workload '{text}': a roofline gives times"):
        workload_bound_ms(Architecture.parse("w64 a"), Workload.parse(text), RATES)


def test_a_published_1b_model_is_bound_by_its_weights() -> None:
    """Nemotron-Flash-1B on an H100 has to read nearly two gigabytes for each token: 0.58 ms and not much more."""
    h100 = find_known("h100")
    assert h100 is not None
    flash = Architecture.parse("w2048 vocab=131072 meta=256 (d f m2 f a f m2 f)x2 (d f m2 f)x2")
    weights_ms = 1e3 * flash.weight_bytes("bfloat16") / h100.bandwidth_bytes_per_s
    workload = Workload.parse("decode:256", dtype="bfloat16")
    bound = workload_bound_ms(flash, workload, h100.rates("bfloat16"))
    assert weights_ms < bound < 1.05 * weights_ms
    launches = 12 * 3 + 12 * 2 + 3
    estimate = workload_estimate_ms(flash, workload, h100.rates("bfloat16"))
    assert estimate == pytest.approx(bound + launches * h100.launch_ms)


def test_mean_error() -> None:
    assert mean_error(np.array([1.1, 2.0, 3.2]), np.array([1.0, 2.0, 4.0])) == pytest.approx(0.1)


class Table:
    """Predicts a quarter more than the roofline."""

    def predict_many(self, architectures: Sequence[Architecture], workload: Workload) -> NDArray[np.float64]:
        return np.array([1.25 * workload_estimate_ms(network, workload, RATES) for network in architectures])


def test_error_against_a_table() -> None:
    networks = [Architecture.parse(text) for text in ("w64 a f", "w128 m2", "w64 (d f)x3")]
    assert roofline_error(Table(), networks, Workload.parse("decode:100"), RATES) == pytest.approx(0.2)
