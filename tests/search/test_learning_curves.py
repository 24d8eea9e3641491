from math import log, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_search.search.learning_curves import CHANGE, Forecast, LearningCurves

RUNGS = 4
EXPONENT, NOISE = 0.12, 0.02


def curves_of(count: int, seed: int, noise: float = NOISE) -> tuple[np.ndarray, np.ndarray]:
    """Losses [count, rungs] that fall by a power of tokens, more with the first feature, and features [count, 2]."""
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((count, 2))
    steps = -(EXPONENT + 0.02 * features[:, :1]) * log(3) + noise * rng.standard_normal((count, RUNGS - 1))
    first = log(4) + 0.1 * rng.standard_normal((count, 1))
    return np.exp(np.cumsum(np.hstack([first, steps]), axis=1)), features


def taught(losses: np.ndarray, features: np.ndarray, rungs: int = RUNGS) -> LearningCurves:
    """By curves that end after so many rungs."""
    curves = LearningCurves.none(RUNGS, features.shape[1])
    for row, described in zip(losses, features, strict=True):
        for reached in range(1, rungs + 1):
            curves = curves.with_step(tuple(row[:reached]), described)
    return curves


def test_nothing_known_means_no_change_and_a_wide_spread() -> None:
    forecast = LearningCurves.none(RUNGS, 2).at_top((3.0,), np.zeros(2))
    assert forecast.log_mean == log(3.0)
    assert forecast.log_sd > CHANGE


def test_the_top_loss_itself_is_certain() -> None:
    losses, features = curves_of(5, 0)
    assert taught(losses, features).at_top(tuple(losses[0]), features[0]).log_sd == 0


@pytest.mark.parametrize("rung", range(RUNGS - 1))
def test_known_curves_are_found_again(rung: int) -> None:
    """To little more than the noise of the steps that are left, and with an honest spread."""
    errors, spreads = [], []
    for seed in range(10):
        losses, features = curves_of(60, seed)
        curves = taught(losses[:40], features[:40])
        for row, described in zip(losses[40:], features[40:], strict=True):
            forecast = curves.at_top(tuple(row[: rung + 1]), described)
            errors.append(log(row[-1]) - forecast.log_mean)
            spreads.append(forecast.log_sd)
    noise = NOISE * sqrt(RUNGS - 1 - rung)
    assert np.std(errors) < 1.25 * noise
    assert np.mean(spreads) == pytest.approx(np.std(errors), rel=0.25)
    assert abs(np.mean(errors)) < 0.2 * noise


def test_the_spread_shrinks_with_data() -> None:
    losses, features = curves_of(64, 0)
    spreads = [taught(losses[:count], features[:count]).at_top((4.0,), np.zeros(2)).log_sd for count in (0, 1, 4, 64)]
    assert spreads == sorted(spreads, reverse=True)
    assert spreads[-1] < spreads[0] / 8


def test_curves_that_stop_early_teach_the_steps_that_they_made() -> None:
    losses, features = curves_of(30, 0)
    short, none = taught(losses, features, rungs=2), LearningCurves.none(RUNGS, 2)
    assert short.at_top((4.0,), np.zeros(2)).log_sd < none.at_top((4.0,), np.zeros(2)).log_sd
    assert short.at_top((4.0, 3.0), np.zeros(2)) == none.at_top((4.0, 3.0), np.zeros(2))


@given(st.floats(0.1, 10), st.integers(0, 20))
def test_the_unit_of_losses_does_not_matter(scale: float, seed: int) -> None:
    losses, features = curves_of(12, seed)
    ours = taught(losses, features).at_top((4.0,), features[0])
    theirs = taught(scale * losses, features).at_top((scale * 4.0,), features[0])
    assert theirs.loss == pytest.approx(scale * ours.loss)
    assert theirs.sd == pytest.approx(scale * ours.sd)


def test_adding_leaves_what_was_known_before_alone() -> None:
    losses, features = curves_of(8, 0)
    before = taught(losses[:4], features[:4])
    said = before.at_top((4.0,), np.zeros(2))
    for row, described in zip(losses[4:], features[4:], strict=True):
        before.with_step(tuple(row[:2]), described)
    assert before.at_top((4.0,), np.zeros(2)) == said


@pytest.mark.parametrize("loss", [0.0, 1e-30])
def test_a_loss_of_nothing_is_no_error(loss: float) -> None:
    curves = LearningCurves.none(2, 1).with_step((1.0, loss), np.ones(1))
    assert np.isfinite(list(curves.at_top((loss,), np.ones(1)))).all()


def test_a_forecast_is_a_lognormal() -> None:
    forecast = Forecast(log_mean=log(2.5), log_sd=0.2)
    draws = np.exp(np.random.default_rng(0).normal(log(2.5), 0.2, 200_000))
    assert forecast.loss == pytest.approx(draws.mean(), rel=0.005)
    assert forecast.sd == pytest.approx(draws.std(), rel=0.02)
    for loss in (1.5, 2.5, 4.0):
        assert forecast.chance_below(loss) == pytest.approx((draws < loss).mean(), abs=0.005)
