"""Interpolation between what was recorded, and composing workloads."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from profiler_fakes import MEMORY_BYTES, make_grid, setting_at

from nas_search.errors import InputError
from nas_search.profiler.cells import PhaseSetting
from nas_search.profiler.grid import Grid
from nas_search.profiler.phases import Part
from nas_search.profiler.roofline import largest_batch, memory_bytes, prompt_bytes
from nas_search.profiler.table import LatencyTable
from nas_search.profiler.workload import Workload
from nas_search.space.architecture import Architecture

NETWORK = Architecture.parse("w64 a")
CONTEXTS = st.sets(st.integers(1, 5000), min_size=2, max_size=5)
BATCHES = st.sets(st.integers(1, 200), min_size=1, max_size=4)
COSTS = st.tuples(*[st.floats(0.01, 10)] * 4)


def steps(contexts: set[int], batches: set[int]) -> list[PhaseSetting]:
    return [setting_at("step", context, batch) for context in contexts for batch in batches]


@given(CONTEXTS, BATCHES, COSTS, st.data())
def test_exact_for_costs_linear_in_context_and_in_batch(
    contexts: set[int], batches: set[int], costs: tuple[float, ...], data: st.DataObject
) -> None:
    def cost(context: int, batch: int) -> float:
        return costs[0] + costs[1] * context + costs[2] * batch + costs[3] * context * batch

    table = make_grid(steps(contexts, batches), lambda setting: cost(setting.phase.context, setting.batch))
    context = data.draw(st.integers(min(contexts), max(contexts)))
    batch = data.draw(st.integers(min(batches), max(batches)))
    predicted = table.predict(NETWORK, Workload(kind="decode", prompt=context, batch=batch))
    assert predicted == pytest.approx(cost(context, batch))
    assert predicted == table.predict_many([NETWORK] * 3, Workload(kind="decode", prompt=context, batch=batch))[1]


@given(CONTEXTS, st.data())
def test_generate_is_summed_over_whatever_contexts_there_are(contexts: set[int], data: st.DataObject) -> None:
    prompt = data.draw(st.integers(min(contexts), max(contexts)))
    new = data.draw(st.integers(1, max(contexts) - prompt + 2))
    assume(prompt + new - 2 <= max(contexts))
    settings = [*steps(contexts, {1}), setting_at("prefill", prompt)]
    table = make_grid(
        settings, lambda setting: 100.0 if setting.phase.kind == "prefill" else 1 + 0.01 * setting.phase.context
    )
    predicted = table.predict(NETWORK, Workload(kind="generate", prompt=prompt, new_tokens=new))
    assert predicted == pytest.approx(100 + sum(1 + 0.01 * (prompt + step) for step in range(new - 1)))


def grid() -> LatencyTable:
    return make_grid(steps({100, 200}, {1, 8}), lambda setting: 1.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("decode:300", "step at 300 tokens is outside of what was recorded, 100 to 200 tokens"),
        ("decode:99", "step at 99 tokens is outside of what was recorded, 100 to 200 tokens"),
        ("decode:150,batch=9", "batch 9 is outside of what was recorded for step at 150 tokens, 1 to 8"),
        ("generate:60,prompt=150", "no prefill in float32 was recorded; there is step in float32"),
        ("decode:150,dtype=bfloat16", "no step in bfloat16 was recorded"),
        ("energy:150", "no energy in float32 was recorded"),
    ],
)
def test_what_lies_outside_is_refused_with_the_range(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        grid().predict(NETWORK, Workload.parse(text))
    assert "\n" not in str(caught.value)


def test_a_generation_that_leaves_the_range_is_refused() -> None:
    table = make_grid([*steps({100, 200}, {1}), setting_at("prefill", 150)], lambda setting: 1.0)
    assert table.predict(NETWORK, Workload.parse("generate:52,prompt=150")) == pytest.approx(52)
    with pytest.raises(InputError, match="step at 150 to 201 tokens is outside of what was recorded, 100 to 200"):
        table.predict(NETWORK, Workload.parse("generate:53,prompt=150"))


def test_batches_that_lack_a_context_are_not_interpolated_to() -> None:
    settings = [*steps({100, 200}, {1, 8}), setting_at("step", 100, 4)]
    table = make_grid(settings, lambda setting: 1000.0 if setting.batch == 4 else 1.0)
    assert table.predict(NETWORK, Workload.parse("decode:150,batch=4")) == pytest.approx(1.0)


@given(st.integers(1, 400), COSTS)
def test_throughput_goes_on_along_the_last_line(limit: int, costs: tuple[float, ...]) -> None:
    table = make_grid(steps({100, 200}, {1, 8, 64}), lambda setting: costs[0] + costs[1] * setting.batch)
    workload = Workload(kind="throughput", prompt=150, batch=limit)
    batch = min(limit, largest_batch(NETWORK, 150, workload.precision, MEMORY_BYTES))
    assert largest_batch(NETWORK, 150, workload.precision, MEMORY_BYTES) > 64
    assert table.predict(NETWORK, workload) == pytest.approx(1000 * batch / (costs[0] + costs[1] * batch))


def test_a_larger_batch_never_costs_less_than_the_largest_recorded_one() -> None:
    table = make_grid(steps({100}, {1, 8}), lambda setting: {1: 2.0, 8: 1.0}[setting.batch])
    assert table.predict(NETWORK, Workload.parse("throughput:100,batch=20")) == pytest.approx(1000 * 20 / 1.0)


def test_throughput_of_what_does_not_fit_is_nothing() -> None:
    table = grid()
    small = table.info.model_copy(update={"memory_bytes": 1})
    assert LatencyTable(small, table.cells).predict(NETWORK, Workload.parse("throughput:100")) == 0


def test_throughput_takes_the_batches_that_a_network_has_terms_for() -> None:
    table = make_grid(steps({100}, {1, 8, 64}), lambda setting: float(setting.batch**2))
    cells = [cell for cell in table.cells if not (cell.key.batch == 64 and cell.key.operator == "a")]
    lacking = LatencyTable(table.info, cells)
    workload = Workload.parse("throughput:100,batch=64")
    assert table.predict(NETWORK, workload) == pytest.approx(1000 * 64 / 64**2)
    assert lacking.predict(NETWORK, workload) == pytest.approx(1000 * 64 / (64 + 56 * 63 / 7))


def test_throughput_with_one_recorded_batch() -> None:
    table = make_grid(steps({100}, {1}), lambda setting: 4.0)
    assert table.predict(NETWORK, Workload.parse("throughput:100,batch=1")) == pytest.approx(250)
    with pytest.raises(InputError, match=r"batch 7 is outside of what was recorded for a throughput, 1$"):
        table.predict(NETWORK, Workload.parse("throughput:100,batch=7"))


def test_energy_is_shared_by_the_sequences_of_a_step() -> None:
    table = make_grid([setting_at("energy", 100, 8)], lambda setting: 40.0)
    assert table.predict(NETWORK, Workload.parse("energy:100,batch=8")) == pytest.approx(5)


def test_memory_needs_no_table() -> None:
    table = make_grid([], lambda setting: 0.0)
    workload = Workload.parse("memory:300,batch=3,dtype=bfloat16")
    networks = [NETWORK, Architecture.parse("w999 meta=4 f f")]
    expected = [
        (memory_bytes(network, 300, 3, workload.precision) + prompt_bytes(network, 300, 3, workload.precision)) / 2**20
        for network in networks
    ]
    assert np.allclose(table.predict_many(networks, workload), expected)


def test_part_outside_of_an_empty_grid() -> None:
    with pytest.raises(InputError, match="there is no phase at all"):
        Grid([], captured=False).batches(Part("step", range(1, 2)), Workload.parse("decode:1").precision)
