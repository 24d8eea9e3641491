import numpy as np
import pytest

from nas_search.profiler.check import CheckFigures, bootstrap_interval, check_figures, quartile_tau


def figures(n: int = 20, error: float = 0.02, seed: int = 0) -> CheckFigures:
    rng = np.random.default_rng(seed)
    measured = np.sort(rng.uniform(1, 10, n))

    def noise(share: float) -> np.ndarray:
        return measured * rng.choice([1 - share, 1 + share], n)

    return CheckFigures(
        raw=noise(0.4),
        calibrated=noise(error),
        depth_only=np.full(n, 5.0),
        parameters_only=noise(0.15),
        measured=measured,
        rerun=noise(0.01),
    )


def test_figures_of_a_good_table() -> None:
    check = check_figures(figures(), "device", seed=0)
    assert check.mape_raw == pytest.approx(0.4)
    assert check.mape_calibrated == pytest.approx(0.02)
    assert check.mape_parameters_only == pytest.approx(0.15)
    assert check.mape_rerun == pytest.approx(0.01)
    assert check.minus_parameters_only == pytest.approx((-0.13, -0.13))
    assert check.depth_only_beaten
    assert check.parameters_only_beaten
    assert check.tau_depth_only == 0
    assert check.tau_calibrated > 0.5
    assert check.level == pytest.approx(1, abs=0.03)


def test_summary_has_every_figure() -> None:
    check = check_figures(figures(), "device", seed=0)
    summary = check.summary()
    assert summary.startswith("20 held-out networks, device clock")
    for name, value in check.model_dump().items():
        if name.startswith("mape"):
            assert f"{value:.1%}" in summary
        elif name.startswith("minus"):
            assert f"[{value[0]:+.1%}, {value[1]:+.1%}]" in summary
        elif name.startswith("tau"):
            assert f"{value:.2f}" in summary


def test_limits() -> None:
    check = check_figures(figures(error=0.1), "wall", seed=0)
    assert check.within(0.11)
    assert not check.within(0.08)
    noisy = check.model_copy(update={"mape_rerun": 0.09})
    assert noisy.within(0.08)


def test_reached_takes_error_ranks_and_both_baselines() -> None:
    good = figures()
    check = check_figures(good, "wall", seed=0)
    ranked = check.model_copy(update={"tau_calibrated": 0.9 * check.tau_rerun})
    assert ranked.reached(0.05)
    assert not ranked.reached(0.001)
    assert not check.model_copy(update={"tau_calibrated": 0.89 * check.tau_rerun}).reached(0.05)
    assert not check.model_copy(update={"tau_calibrated": None}).reached(0.05)
    for baseline in ("depth_only", "parameters_only"):
        as_good = check_figures(good._replace(**{baseline: good.calibrated}), "wall", seed=0)
        assert not as_good.model_copy(update={"tau_calibrated": check.tau_rerun}).reached(0.05)


def test_a_bad_table_does_not_beat_depth_only() -> None:
    good = figures()
    assert not check_figures(good._replace(calibrated=good.depth_only), "device", seed=0).depth_only_beaten
    assert not check_figures(good._replace(calibrated=2 * good.depth_only), "device", seed=0).depth_only_beaten


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
