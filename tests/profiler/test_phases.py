import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nas_search.profiler.phases import Phase, WeightedPhase, weighted_phases
from nas_search.profiler.workload import Workload


def test_single_phases_count_meta_tokens() -> None:
    assert weighted_phases(Workload.parse("decode:256"), 16) == (WeightedPhase(Phase("step", 272), 1.0),)
    assert weighted_phases(Workload.parse("prefill:64")) == (WeightedPhase(Phase("prefill", 64), 1.0),)
    assert weighted_phases(Workload.parse("generate:1,prompt=9")) == (WeightedPhase(Phase("prefill", 9), 1.0),)


@given(st.integers(1, 500), st.integers(2, 500), st.integers(0, 30), st.floats(0, 9), st.floats(0, 9))
def test_generate_is_exact_for_steps_linear_in_context(
    prompt: int, new: int, meta: int, base: float, slope: float
) -> None:
    phases = weighted_phases(Workload(kind="generate", prompt=prompt, new_tokens=new), meta)
    assert phases[0] == (("prefill", prompt + meta), 1.0)
    summed = sum(weight * (base + slope * phase.context) for phase, weight in phases[1:])
    contexts = prompt + meta + np.arange(new - 1)
    assert np.isclose(summed, np.sum(base + slope * contexts))
