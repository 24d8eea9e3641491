import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_search.profiler.phases import (
    Part,
    Phase,
    WeightedPhase,
    hat_sums,
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
    phases = weighted_phases(Workload(kind="generate", prompt=prompt, new_tokens=new), meta)
    assert phases[0] == (("prefill", prompt + meta), 1.0)
    summed = sum(weight * (base + slope * phase.context) for phase, weight in phases[1:])
    contexts = prompt + meta + np.arange(new - 1)
    assert np.isclose(summed, np.sum(base + slope * contexts))


@given(st.integers(1, 40_000), st.integers(2, 9000), st.integers(0, 300), st.floats(0, 9), st.floats(0, 9))
def test_captured_generation_is_exact_for_graphs_that_each_read_up_to_a_bound(
    prompt: int, new: int, meta: int, base: float, slope: float
) -> None:
    """As :class:`DecodeGraph` does it on a state with room for the prompt and all new tokens."""
    bounds = context_bounds(Architecture.parse("w64 a"), prompt + new + meta)
    phases = weighted_phases(Workload(kind="generate", prompt=prompt, new_tokens=new), meta, captured=True)
    summed = sum(weight * (base + slope * (phase.context + 1)) for phase, weight in phases[1:])
    positions = prompt + meta + 1 + np.arange(new - 1)
    assert np.isclose(summed, np.sum(base + slope * np.array(bounds)[np.searchsorted(bounds, positions)]))


@pytest.mark.parametrize(
    ("contexts", "knots"),
    [
        (range(10, 11), (11,)),
        (range(200, 254), (254,)),
        (range(200, 300), (SHORTEST_BOUND - 1, 300)),
        (range(256, 1025), (511, 1023, 1025)),
    ],
)
def test_captured_steps_are_taken_where_their_graphs_end(contexts: range, knots: tuple[int, ...]) -> None:
    part = Part("step", contexts, captured=True)
    assert step_contexts(part) == knots
    assert part.ends == (knots[0], knots[-1])


def test_a_step_at_one_context_reads_no_more_than_that() -> None:
    for text in ("decode:32768", "throughput:32768", "energy:32768"):
        (part,) = workload_parts(Workload.parse(text), captured=True)
        assert part.ends == (32768, 32768)


@given(st.sets(st.integers(0, 300), min_size=1, max_size=9), st.data())
def test_hat_sums_count_every_context_once(knots: set[int], data: st.DataObject) -> None:
    first = data.draw(st.integers(min(knots), max(knots)))
    last = data.draw(st.integers(first, max(knots)))
    sums = hat_sums(Part("step", range(first, last + 1)), tuple(sorted(knots)))
    assert np.isclose(sum(sums.values()), last + 1 - first)
    assert all(weight > 0 for weight in sums.values())
