import numpy as np
import pytest

from nas_search.profiler.check import CheckFigures, bootstrap_interval, check_figures, quartile_tau


def figures(n: int = 20, error: float = 0.02, seed: int = 0) -> CheckFigures:
    rng = np.random.default_rng(seed)
    measured = np.sort(rng.uniform(1, 10, n))

    def noise(share: float) -> np.ndarray:
        return measured * rng.choice([1 - share, 1 + share], n)

    return CheckFigures(noise(0.4), noise(error), np.full(n, 5.0), measured, noise(0.01))


def test_figures_of_a_good_table() -> None:
    check = check_figures(figures(), "cpu", seed=0)
    assert check.mape_raw == pytest.approx(0.4)
    assert check.mape_calibrated == pytest.approx(0.02)
    assert check.mape_rerun == pytest.approx(0.01)
    assert check.depth_only_beaten
    assert check.tau_depth_only == 0
    assert check.tau_calibrated > 0.5
    assert check.level == pytest.approx(1, abs=0.03)
    assert "20 held-out networks, cpu clock" in check.summary()


def test_limits() -> None:
    check = check_figures(figures(error=0.1), "wall", seed=0)
    assert check.within(0.11)
    assert not check.within(0.08)
    noisy = check.model_copy(update={"mape_rerun": 0.09})
    assert noisy.within(0.08)


def test_a_bad_table_does_not_beat_depth_only() -> None:
    good = figures()
    assert not check_figures(good._replace(calibrated=good.depth_only), "cpu", seed=0).depth_only_beaten
    assert not check_figures(good._replace(calibrated=2 * good.depth_only), "cpu", seed=0).depth_only_beaten


def test_bootstrap_interval_is_that_of_the_mean() -> None:
    differences = np.random.default_rng(1).normal(-0.1, 0.2, 100)
    low, high = bootstrap_interval(differences, seed=0)
    reach = 1.96 * differences.std() / 10
    assert low == pytest.approx(differences.mean() - reach, abs=0.01)
    assert high == pytest.approx(differences.mean() + reach, abs=0.01)
    assert bootstrap_interval(differences, seed=0) == (low, high)


def test_tau_looks_inside_quartiles_only() -> None:
    measured = np.arange(1.0, 21.0)
    reversed_inside = np.concatenate([quarter[::-1] for quarter in np.split(measured, 4)])
    assert quartile_tau(measured, measured) == pytest.approx(1)
    assert quartile_tau(measured, reversed_inside) == pytest.approx(-1)
    assert quartile_tau(measured[:8], measured[:8]) is None
