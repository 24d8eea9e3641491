import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from profiler_fakes import make_table, setting_at

from nas_search.profiler.layers import Layers
from nas_search.profiler.memory import network_mib
from nas_search.profiler.precision import Precision
from nas_search.profiler.workload import Workload
from nas_search.space.architecture import Architecture
from nas_search.space.notation import parse_operators

DECODE = Workload.parse("decode:256")
SETTING = setting_at("step", 256)
OPERATORS = st.lists(st.sampled_from(["a", "m2", "f"]), min_size=1, max_size=9).map(" ".join)
NETWORKS = st.lists(
    st.builds(lambda width, layers: Architecture.parse(f"w{width} {layers}"), st.sampled_from([64, 128]), OPERATORS),
    min_size=1,
    max_size=12,
)


def raw(network: Architecture, **corrections: float) -> float:
    return float(make_table(**corrections).raw_many([network], DECODE)[0])


def test_layers_and_overhead_add_up() -> None:
    assert raw(Architecture.parse("w64 a (m2 f)x2")) == pytest.approx(0.5 + 1 + 2 * (2 + 3))


@pytest.mark.parametrize(("text", "changes"), [("w64 (a)x5", 0), ("w64 a a f f", 1), ("w64 (a f)x3", 5), ("w64 a", 0)])
def test_changes_of_operator_cost(text: str, changes: int) -> None:
    network = Architecture.parse(text)
    assert raw(network, change=0.25) - raw(network) == pytest.approx(0.25 * changes)


def test_memory_is_charged_beyond_the_knots_and_credited_below() -> None:
    network = Architecture.parse("w128 (m2 f)x4")
    touched = network_mib(network, SETTING)
    assert touched > 2
    extra = raw(network, beyond_1=0.5, beyond_2=0.25, beyond_64=9.0, traffic=0.1) - raw(network)
    assert extra == pytest.approx(0.5 * (touched - 1) + 0.25 * (touched - 2) - 0.1 * touched)


@pytest.mark.parametrize(
    "precision", [Precision.of("float32"), Precision.of("bfloat16"), Precision.of("float16", "float16")]
)
def test_memory_is_weights_and_state(precision: Precision) -> None:
    network = Architecture.parse("w128 a m2 d f")
    state = network.state_bytes(256, precision.cache, batch=3, state_dtype=precision.state)
    expected = (network.weight_bytes(precision.parameters) + state) / 2**20
    assert network_mib(network, setting_at("step", 256, 3, precision)) == pytest.approx(expected)


@given(NETWORKS)
def test_many_networks_cost_exactly_what_each_costs_alone(networks: list[Architecture]) -> None:
    table = make_table(change=0.1, beyond_1=0.37, traffic=0.01)
    together = table.predict_many(networks, DECODE)
    assert together.tolist() == [table.predict(network, DECODE) for network in networks]


@given(NETWORKS)
def test_layers_are_told_apart_by_value_not_by_object(networks: list[Architecture]) -> None:
    layers = Layers([network.model_copy(deep=True) for network in networks])
    assert len(layers.operators) == len({operator for network in networks for operator in network.operators})
    assert layers.sums([1.0] * len(layers.operators)).tolist() == [network.depth for network in networks]
    expected = [sum(np.diff([hash(operator) for operator in network.operators]) != 0) for network in networks]
    assert layers.changes.tolist() == expected


def test_operators_with_other_options_are_others() -> None:
    assert len(Layers([Architecture(width=64, operators=parse_operators("a a[heads=1] a"))]).operators) == 2
