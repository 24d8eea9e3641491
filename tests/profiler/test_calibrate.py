import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from profiler_fakes import make_info, setting_at

from nas_search.errors import RunError
from nas_search.profiler.calibrate import fit_affine


@given(st.integers(0, 2**32 - 1), st.floats(0.0, 2.0), st.floats(0.5, 2.0))
def test_finds_the_line_in_spite_of_an_outlier(seed: int, offset: float, slope: float) -> None:
    x = np.random.default_rng(seed).uniform(1, 10, 12)
    latency = offset + slope * x
    latency[0] *= 3
    fit = fit_affine(x, latency)
    assert fit.n == 12
    assert np.allclose(fit.apply(x[1:]), latency[1:], rtol=0.01)


@pytest.mark.parametrize("x", [[1.0, 2.0, 3.0], [2.0] * 6])
def test_too_little_to_fit(x: list[float]) -> None:
    with pytest.raises(RunError, match="calibration needs"):
        fit_affine(np.array(x), np.arange(1.0, len(x) + 1))


def test_a_record_knows_its_setting() -> None:
    setting = setting_at("energy", 300, 8)
    ((name, record),) = make_info([setting]).phases.items()
    assert name == str(setting) == "energy:300,batch=8,float32"
    assert record.setting == setting
