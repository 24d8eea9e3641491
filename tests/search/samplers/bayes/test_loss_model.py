"""What a model learns from trials, from runs with the same score, and from runs with another one."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from bayes_cases import PROBLEM, losses, observed, prospects, rows, source

from nas_search.search.problem import FloatArray, PriorSource
from nas_search.search.samplers.bayes.loss_model import SLOPE_WEIGHT, LossModel, features_of, fit_loss_model

HELD_OUT = rows(256)[200:]


def fitted(own: Sequence[int], *prior: PriorSource) -> LossModel:
    return fit_loss_model(replace(PROBLEM, prior=prior), observed(own))


def expected(model: LossModel) -> FloatArray:
    """Mean log losses of rows that nobody trained, over many draws of those that were trained here."""
    draws = model.draw(model.trained[:0], 512, np.random.default_rng(0))
    means, _ = draws.elsewhere(features_of(PROBLEM, prospects(HELD_OUT)))
    return means.mean(axis=0)


def error(model: LossModel) -> float:
    """Of expected log losses, in standard deviations of the true ones."""
    true = np.log(losses(HELD_OUT))
    return float(np.sqrt(np.mean((expected(model) - true) ** 2)) / true.std())


def agreement(model: LossModel) -> float:
    """Correlation of expected with true log losses."""
    return float(np.corrcoef(expected(model), np.log(losses(HELD_OUT)))[0, 1])


def misleading(chosen: Sequence[int], *, seed: int = 0) -> PriorSource:
    """A run whose losses were dealt out at random."""
    return source(chosen, same_score=False, found=np.random.default_rng(seed).permutation(losses(chosen)))


def test_trials_are_learned_from() -> None:
    errors = [error(fitted(rows(count))) for count in (4, 12, 36)]
    assert errors == sorted(errors, reverse=True) and errors[-1] < 0.3


def test_features_end_with_the_logarithm_of_the_latency() -> None:
    found = features_of(PROBLEM, prospects([0, 255]))
    assert found.shape == (2, 5)
    np.testing.assert_allclose(found[:, -1], np.log([1.0, 1 + 3 * 2.4]))
    np.testing.assert_array_equal(fitted([0, 255]).trained, found)


@pytest.mark.parametrize("own", [0, 1, 20])
def test_a_run_with_the_same_score_counts_as_if_its_trials_were_this_search_s(own: int) -> None:
    everything = rows(30)
    joined = fitted(everything[:own], source(everything[own:], same_score=True))
    alone = fitted(everything)
    np.testing.assert_allclose(joined.losses, alone.losses)
    at = features_of(PROBLEM, prospects(HELD_OUT))
    for ours, theirs in zip(joined.surrogate.predict(at), alone.surrogate.predict(at), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    assert len(joined.trained) == own
    assert error(joined) < 0.3


def test_nothing_of_it_counts_twice() -> None:
    everything = rows(30)
    again = source(everything[5:], same_score=True)
    assert (
        len(fitted(everything[:10], again).losses)
        == len(fitted(everything[:10], source(everything[10:], same_score=True)).losses)
        == 30
    )
    assert len(fitted(everything, again).losses) == 30


def test_its_noise_is_respected() -> None:
    exact, noisy = (fitted([], source(rows(30), same_score=True, loss_sd=sd)) for sd in (0.0, 0.3))
    at = features_of(PROBLEM, prospects(rows(30)))
    assert noisy.surrogate.predict(at)[1].min() > 2 * exact.surrogate.predict(at)[1].max()


def test_extrapolated_losses_of_this_search_are_less_certain() -> None:
    """Draws of a trial's true loss spread by what is unknown of it."""
    exact = observed(rows(20))
    noisy = replace(exact, loss_sd=np.append(np.zeros(19), 0.2))
    spreads = [
        fit_loss_model(PROBLEM, seen).draw(np.zeros((0, 5)), 500, np.random.default_rng(0)).log_losses.std(axis=0)
        for seen in (exact, noisy)
    ]
    assert spreads[1][-1] > 2 * spreads[0][-1]
    np.testing.assert_allclose(spreads[1][:-1], spreads[0][:-1], atol=0.01)


@pytest.mark.parametrize("prior", [(), (source(rows(40), same_score=False, found=3 * losses(rows(40)) ** 0.6),)])
def test_draws_are_of_the_losses_that_were_found(prior: tuple[PriorSource, ...]) -> None:
    """Where members were trained; where others wait, they are as far off as expectations."""
    drawn = fitted(rows(20), *prior).draw(features_of(PROBLEM, prospects(HELD_OUT[:5])), 200, np.random.default_rng(0))
    assert drawn.log_losses.shape == (200, 25)
    np.testing.assert_allclose(drawn.log_losses[:, :20].mean(axis=0), np.log(losses(rows(20))), atol=0.02)
    np.testing.assert_allclose(drawn.log_losses[:, 20:].mean(axis=0), np.log(losses(HELD_OUT[:5])), atol=0.25)


def test_what_another_score_leaves_open_is_not_taken_for_nothing() -> None:
    """After one trial nothing is known of how well it fits; a quarter of its spread is assumed at least."""
    other = source(rows(40), same_score=False)
    spread = float(np.log(losses(rows(40))).std())
    assert fitted(rows(1, seed=1), other).surrogate.scale == pytest.approx(0.25 * spread)
    assert fitted(rows(10, seed=1), other).surrogate.scale >= 0.25 * spread


def test_before_any_trial_another_score_is_followed() -> None:
    """Its ranks tell, its level need not be this search's."""
    model = fitted([], source(rows(40), same_score=False, found=3 * losses(rows(40)) ** 0.6))
    assert agreement(model) > 0.98
    assert len(model.trained) == 0


@pytest.mark.parametrize("count", [1, 3, 6])
def test_after_a_few_trials_another_score_tells_what_they_cannot(count: int) -> None:
    own = rows(count, seed=1)
    informed = fitted(own, source(rows(40), same_score=False, found=3 * losses(rows(40)) ** 0.6))
    assert agreement(informed) > 0.97
    assert error(informed) < 0.6 * error(fitted(own))


def test_many_trials_overcome_a_run_that_misleads() -> None:
    few, many = rows(6, seed=1), rows(60, seed=1)
    reversed_losses = 4 / losses(rows(40))
    for lies in (misleading(rows(40)), source(rows(40), same_score=False, found=reversed_losses)):
        assert error(fitted(few, lies)) > error(fitted(many, lies))
        assert error(fitted(many, lies)) < 0.3


def test_several_runs_with_other_scores_are_averaged() -> None:
    """Two that misled in different ways beside one that is right are worse than it alone, better than one of them."""
    right = source(rows(40), same_score=False, found=2 * losses(rows(40)))
    lies = [misleading(rows(40), seed=seed) for seed in range(2)]
    own = rows(3, seed=1)
    assert error(fitted(own, right)) < error(fitted(own, right, *lies)) < error(fitted(own, lies[0]))


def slope_after(count: int, score: Callable[[FloatArray], FloatArray]) -> float:
    """What is expected of this score's logarithms for one of another score's."""
    return fitted(
        rows(count, seed=1), source(rows(40), same_score=False, found=score(losses(rows(40))))
    ).prior_mean.slope


def test_the_slope_goes_from_one_to_what_the_trials_say() -> None:
    slopes = [slope_after(count, np.sqrt) for count in (1, 4, 10, 100)]
    assert slopes[0] == 1.0 and slopes == sorted(slopes) and 1.8 < slopes[-1] < 2.0
    assert slope_after(100, lambda found: 4 / found) < -0.8
    assert slope_after(30, lambda found: 2 * found) == pytest.approx(1.0, abs=0.05)


def test_the_slope_is_that_of_ridge_regression() -> None:
    """Of the trials' log losses about their mean on what is expected of them, with SLOPE_WEIGHT rows of slope one."""
    model = fitted(rows(10, seed=1), source(rows(40), same_score=False, found=np.sqrt(losses(rows(40)))))
    (other,) = model.prior_mean.surrogates
    x, _ = other.predict(model.trained)
    y = np.log(losses(rows(10, seed=1)))
    more = np.sqrt(SLOPE_WEIGHT) * other.scale
    inputs, targets = np.append(x - x.mean(), more), np.append(y - y.mean(), more)
    assert model.prior_mean.slope == pytest.approx(np.linalg.lstsq(inputs[:, None], targets, rcond=None)[0][0])


def test_both_kinds_of_runs_at_once() -> None:
    model = fitted(
        rows(3, seed=1),
        source(rows(10, seed=2), same_score=True),
        source(rows(40), same_score=False, found=2 * losses(rows(40))),
    )
    assert len(model.prior_mean.surrogates) == 1 and 11 <= len(model.losses) <= 13
    assert error(model) < 0.2
