from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_search.profiler.phases import (
    Phase,
    WeightedPhase,
    hat_sums,
    read_slots,
    step_contexts,
    weighted_phases,
    workload_parts,
)
from nas_search.profiler.workload import Workload
from nas_search.space.architecture import Architecture
from nas_search.space.decode_graph import SHORTEST_BOUND, context_bounds


def test_single_phases_count_meta_tokens() -> None:
    assert weighted_phases(Workload.parse("decode:256"), 16) == (WeightedPhase(Phase("step", 272), 1.0),)
    assert weighted_phases(Workload.parse("prefill:64")) == (WeightedPhase(Phase("prefill", 64), 1.0),)
    assert weighted_phases(Workload.parse("generate:1,prompt=9")) == (WeightedPhase(Phase("prefill", 9), 1.0),)
    assert weighted_phases(Workload.parse("throughput:32768,batch=8")) == (WeightedPhase(Phase("step", 32768), 1.0),)
    assert weighted_phases(Workload.parse("energy:9")) == (WeightedPhase(Phase("energy", 9), 1.0),)
    assert workload_parts(Workload.parse("memory:9")) == ()


@given(st.integers(1, 500), st.integers(2, 500), st.integers(0, 30), st.floats(0, 9), st.floats(0, 9))
def test_generate_is_exact_for_steps_linear_in_context(
    prompt: int, new: int, meta: int, base: float, slope: float
) -> None:
    for captured in (False, True):
        phases = weighted_phases(Workload(kind="generate", prompt=prompt, new_tokens=new), meta, captured=captured)
        assert phases[0] == (("prefill", prompt + meta), 1.0)
        summed = sum(weight * (base + slope * phase.context) for phase, weight in phases[1:])
        contexts = prompt + meta + np.arange(new - 1)
        assert np.isclose(summed, np.sum(base + slope * contexts))


@given(st.integers(1, 40_000), st.integers(2, 9000), st.integers(0, 300))
def test_captured_generation_is_exact_for_a_staircase(prompt: int, new: int, meta: int) -> None:
    """A step reads all slots of the graph that serves it, so its cost jumps at powers of two."""
    cost = partial(read_slots, captured=True)
    phases = weighted_phases(Workload(kind="generate", prompt=prompt, new_tokens=new), meta, captured=True)
    summed = sum(weight * cost(phase.context) for phase, weight in phases[1:])
    assert np.isclose(summed, sum(cost(prompt + meta + step) for step in range(new - 1)))


@given(st.integers(0, 70_000))
def test_slots_are_those_of_the_decode_graph(context: int) -> None:
    bounds = context_bounds(Architecture.parse("w64 a"), 1 << 20)
    assert read_slots(context, captured=True) == next(bound for bound in bounds if bound >= context + 1)
    assert read_slots(context, captured=False) == context + 1


@pytest.mark.parametrize(
    ("contexts", "knots"),
    [
        (range(10, 11), (10,)),
        (range(200, 255), (200, 254)),
        (range(200, 300), (200, SHORTEST_BOUND - 1, SHORTEST_BOUND, 299)),
        (range(256, 1025), (256, 511, 512, 1023, 1024)),
    ],
)
def test_captured_steps_are_taken_on_both_sides_of_each_bound(contexts: range, knots: tuple[int, ...]) -> None:
    assert step_contexts(contexts, captured=True) == knots


@given(st.sets(st.integers(0, 300), min_size=1, max_size=9), st.data())
def test_hat_sums_count_every_context_once(knots: set[int], data: st.DataObject) -> None:
    first = data.draw(st.integers(min(knots), max(knots)))
    last = data.draw(st.integers(first, max(knots)))
    sums = hat_sums(range(first, last + 1), tuple(sorted(knots)))
    assert np.isclose(sum(sums.values()), last + 1 - first)
    assert all(weight > 0 for weight in sums.values())
