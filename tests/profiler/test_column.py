import pytest
from profiler_fakes import make_table

from nas_search.profiler.cells import PhaseSetting
from nas_search.profiler.memory import network_mib
from nas_search.profiler.phases import Phase
from nas_search.profiler.workload import Workload
from nas_search.space.architecture import Architecture

DECODE = Workload.parse("decode:256")
SETTING = PhaseSetting(Phase("step", 256), 1, "float32")


def test_layers_and_overhead_add_up() -> None:
    assert make_table().raw_ms(Architecture.parse("w64 a (m2 f)x2"), DECODE) == pytest.approx(0.5 + 1 + 2 * (2 + 3))


@pytest.mark.parametrize(("text", "changes"), [("w64 (a)x5", 0), ("w64 a a f f", 1), ("w64 (a f)x3", 5), ("w64 a", 0)])
def test_changes_of_operator_cost(text: str, changes: int) -> None:
    network = Architecture.parse(text)
    with_changes = make_table(change=0.25).raw_ms(network, DECODE)
    assert with_changes - make_table().raw_ms(network, DECODE) == pytest.approx(0.25 * changes)


def test_memory_is_charged_beyond_the_knots_and_credited_below() -> None:
    network = Architecture.parse("w128 (m2 f)x4")
    touched = network_mib(network, SETTING)
    assert touched > 2
    table = make_table(beyond_1=0.5, beyond_2=0.25, beyond_64=9.0, traffic=0.1)
    extra = table.raw_ms(network, DECODE) - make_table().raw_ms(network, DECODE)
    assert extra == pytest.approx(0.5 * (touched - 1) + 0.25 * (touched - 2) - 0.1 * touched)


def test_memory_is_weights_and_state() -> None:
    network = Architecture.parse("w128 a m2 d f")
    expected = (network.weight_bytes() + network.state_bytes(256)) / 2**20
    assert network_mib(network, SETTING) == pytest.approx(expected)
