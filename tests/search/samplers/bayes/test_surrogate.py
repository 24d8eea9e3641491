"""The Gaussian process, against one on paper and against GPyTorch."""

from math import log, pi

import gpytorch
import numpy as np
import pytest
import torch
from plain_process import covariance, posterior
from scipy.optimize import check_grad

from nas_search.search.problem import FloatArray
from nas_search.search.samplers.bayes.surrogate import (
    FIT_TRIALS,
    Hyperparameters,
    Surrogate,
    fit_hyperparameters,
    fit_surrogate,
    log_marginal_likelihood,
)

JITTER = 1e-6
"""What the process adds to every diagonal, in units of standardised targets."""


def data(n: int, k: int = 3, seed: int = 0) -> tuple[FloatArray, FloatArray]:
    """Features of different ranges, and a smooth function of them with a little noise."""
    rng = np.random.default_rng(seed)
    features = rng.uniform(0, 1, (n, k)) * (1 + np.arange(k)) + 2
    return features, 0.7 + 0.1 * np.sin(3 * features[:, 0]) + 0.05 * features[:, -1] + rng.normal(0, 0.002, n)


def hyperparameters(k: int, seed: int) -> Hyperparameters:
    rng = np.random.default_rng(seed)
    return Hyperparameters(rng.normal(0.0, 0.7, k), float(rng.normal(0, 0.5)), float(rng.normal(-4, 1)))


def values_of(at: Hyperparameters) -> FloatArray:
    return np.array([*at.lengthscales, at.outputscale, at.noise])


def squares_of(x: FloatArray) -> FloatArray:
    return (x[:, None, :] - x[None, :, :]) ** 2


def noise_of(surrogate: Surrogate, variance: FloatArray) -> FloatArray:
    """Of standardised targets."""
    return variance / surrogate.scale**2 + np.exp(surrogate.hyperparameters.noise) + JITTER


def on_paper(
    surrogate: Surrogate, targets: FloatArray, variance: FloatArray, features: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """The posterior with the hyperparameters of a fitted surrogate, in the units of the targets."""
    mean, spread = posterior(
        surrogate.hyperparameters,
        surrogate.features,
        (targets - surrogate.centre) / surrogate.scale,
        noise_of(surrogate, variance),
        (features - surrogate.low) / surrogate.span,
    )
    return surrogate.centre + surrogate.scale * mean, surrogate.scale**2 * spread


class Exact(gpytorch.models.ExactGP):
    """GPyTorch's process with given hyperparameters."""

    def __init__(self, at: Hyperparameters, x: FloatArray, y: FloatArray, noise: FloatArray) -> None:
        likelihood = gpytorch.likelihoods.FixedNoiseGaussianLikelihood(torch.from_numpy(noise))
        super().__init__(torch.from_numpy(x), torch.from_numpy(y), likelihood)
        self.mean_module = gpytorch.means.ZeroMean()
        kernel = gpytorch.kernels.MaternKernel(nu=2.5, ard_num_dims=x.shape[1])
        self.covar_module = gpytorch.kernels.ScaleKernel(kernel)
        self.double()
        kernel.lengthscale = torch.from_numpy(np.exp(at.lengthscales))
        self.covar_module.outputscale = float(np.exp(at.outputscale))

    def forward(self, x: torch.Tensor) -> gpytorch.distributions.MultivariateNormal:
        return gpytorch.distributions.MultivariateNormal(self.mean_module(x), self.covar_module(x))


@pytest.mark.parametrize("n", [1, 2, 15])
def test_the_likelihood_is_that_of_a_normal_distribution(n: int) -> None:
    features, targets = data(n)
    at, variance = hyperparameters(3, n), np.linspace(0, 0.1, n)
    spread = covariance(at, features, features) + np.diag(variance + np.exp(at.noise) + JITTER)
    found, _ = log_marginal_likelihood(at, squares_of(features), targets, variance)
    exponent = targets @ np.linalg.inv(spread) @ targets
    assert found == pytest.approx(-(exponent + np.linalg.slogdet(spread)[1] + n * log(2 * pi)) / 2)


def test_the_likelihood_is_that_of_gpytorch() -> None:
    features, targets = data(20)
    at, variance = hyperparameters(3, 0), np.linspace(0, 0.1, 20)
    model = Exact(at, features, targets, variance + np.exp(at.noise) + JITTER)
    with torch.no_grad():
        theirs = gpytorch.ExactMarginalLogLikelihood(model.likelihood, model)(
            model(*model.train_inputs), model.train_targets
        )
    assert log_marginal_likelihood(at, squares_of(features), targets, variance)[0] == pytest.approx(20 * theirs.item())


@pytest.mark.parametrize("seed", range(4))
def test_its_gradient_is_that_of_finite_differences(seed: int) -> None:
    features, targets = data(12, seed=seed)
    features[3] = features[4]
    variance = np.linspace(0, 0.1, 12)

    def likelihood(values: FloatArray) -> tuple[float, FloatArray]:
        return log_marginal_likelihood(Hyperparameters.of(values), squares_of(features), targets, variance)

    at = values_of(hyperparameters(3, seed))
    error = check_grad(lambda v: likelihood(v)[0], lambda v: likelihood(v)[1], at)
    assert error < 1e-5 * np.linalg.norm(likelihood(at)[1])


@pytest.mark.parametrize("seed", range(3))
def test_no_hyperparameters_nearby_have_a_greater_density(seed: int) -> None:
    """The posterior density with the priors of Hvarfner et al. 2024 for lengthscales, by its definition."""
    features, targets = data(30, seed=seed)
    x, y = (features - features.min(axis=0)) / np.ptp(features, axis=0), (targets - targets.mean()) / targets.std()

    def density(values: FloatArray) -> float:
        lengthscales = (values[:3] - (np.sqrt(2) + log(3) / 2)) / np.sqrt(3)
        others = (values[3:] - [0.0, -7.0]) / [1.0, 2.0]
        likelihood, _ = log_marginal_likelihood(Hyperparameters.of(values), squares_of(x), y, np.zeros(30))
        return likelihood - float(lengthscales @ lengthscales + others @ others) / 2

    found = values_of(fit_hyperparameters(x, y, np.zeros(30)))
    rng = np.random.default_rng(seed)
    around = [density(found + step * direction) for direction in rng.normal(size=(50, 5)) for step in (0.05, 0.5)]
    assert density(found) > max(around)


@pytest.mark.parametrize("n", [1, 2, 20])
def test_predictions_are_those_on_paper(n: int) -> None:
    features, targets = data(n)
    elsewhere, _ = data(9, seed=1)
    variance = np.linspace(0, 0.01, n) ** 2
    surrogate = fit_surrogate(features, targets, variance)
    mean, sd = surrogate.predict(elsewhere)
    expected, spread = on_paper(surrogate, targets, variance, elsewhere)
    np.testing.assert_allclose(mean, expected, rtol=1e-7)
    np.testing.assert_allclose(sd, np.sqrt(np.diag(spread)), rtol=1e-5)


def test_predictions_are_those_of_gpytorch() -> None:
    features, targets = data(40)
    elsewhere, _ = data(9, seed=1)
    variance = np.linspace(0, 0.01, 40) ** 2
    surrogate = fit_surrogate(features, targets, variance)
    y = (targets - surrogate.centre) / surrogate.scale
    model = Exact(surrogate.hyperparameters, surrogate.features, y, noise_of(surrogate, variance)).eval()
    with torch.no_grad():
        theirs = model(torch.from_numpy((elsewhere - surrogate.low) / surrogate.span))
        expected, deviation = theirs.mean.numpy(), theirs.variance.sqrt().numpy()
    mean, sd = surrogate.predict(elsewhere)
    np.testing.assert_allclose(mean, surrogate.centre + surrogate.scale * expected, rtol=1e-6)
    np.testing.assert_allclose(sd, surrogate.scale * deviation, rtol=1e-4)


def test_data_without_noise_are_interpolated() -> None:
    rng = np.random.default_rng(0)
    features = rng.uniform(0, 1, (25, 2))
    targets = np.sin(4 * features[:, 0]) + features[:, 1] ** 2
    surrogate = fit_surrogate(features, targets, np.zeros(25))
    mean, sd = surrogate.predict(features)
    np.testing.assert_allclose(mean, targets, atol=0.01 * targets.std())
    held_out = rng.uniform(0.1, 0.9, (50, 2))
    mean, wider = surrogate.predict(held_out)
    truth = np.sin(4 * held_out[:, 0]) + held_out[:, 1] ** 2
    assert np.sqrt(np.mean((mean - truth) ** 2)) < 0.1 * truth.std()
    assert np.mean(np.abs(mean - truth) < 3 * wider) > 0.9 and sd.max() < wider.max()


def test_a_noisy_target_pulls_less_the_noisier_it_is() -> None:
    features = np.linspace(0, 1, 9)[:, None]
    targets = np.append(np.linspace(0.6, 0.61, 8), 0.7)
    pulled = []
    for sd in (0.0, 0.02, 0.2, 20.0):
        variance = np.append(np.zeros(8), sd**2)
        pulled.append(float(fit_surrogate(features, targets, variance).predict(features[-1:])[0][0]))
    assert pulled == sorted(pulled, reverse=True) and pulled[0] > 0.69 and pulled[-1] < 0.63


def test_draws_have_the_mean_and_covariance_of_the_posterior() -> None:
    features, targets = data(12)
    surrogate = fit_surrogate(features, targets, np.full(12, 0.02**2))
    points = np.vstack([features[:3], data(4, seed=1)[0]])
    drawn = surrogate.draw(points, 40_000, np.random.default_rng(0)).targets
    mean, spread = on_paper(surrogate, targets, np.full(12, 0.02**2), points)
    deviation = np.sqrt(np.diag(spread))
    np.testing.assert_allclose((drawn.mean(axis=0) - mean) / deviation, 0.0, atol=0.03)
    np.testing.assert_allclose(
        np.cov(drawn.T) / np.outer(deviation, deviation), spread / np.outer(deviation, deviation), atol=0.03
    )


PLACES = {
    "at all targets and more": lambda features: np.vstack([features, data(4, seed=1)[0]]),
    "at some targets": lambda features: features[:5],
    "only where nothing is known": lambda features: data(4, seed=1)[0],
    "nowhere": lambda features: features[:0],
}
"""Where there are draws: everywhere else they must add to the process's own targets, not replace them."""
each_place = pytest.mark.parametrize("place", PLACES.values(), ids=PLACES.keys())


@each_place
def test_elsewhere_a_draw_counts_as_targets_without_noise_beside_the_others(place: object) -> None:
    features, targets = data(12)
    variance = np.full(12, 0.02**2)
    surrogate = fit_surrogate(features, targets, variance)
    points, others = place(features), data(6, seed=2)[0]
    draws = surrogate.draw(points, 5, np.random.default_rng(0))
    means, sd = draws.elsewhere(others)
    assert means.shape == (5, 6)
    x = (np.vstack([features, points]) - surrogate.low) / surrogate.span
    z = (others - surrogate.low) / surrogate.span
    noise = np.append(noise_of(surrogate, variance), np.full(len(points), JITTER))
    for drawn, mean in zip(draws.targets, means, strict=True):
        y = (np.append(targets, drawn) - surrogate.centre) / surrogate.scale
        expected, spread = posterior(surrogate.hyperparameters, x, y, noise, z)
        np.testing.assert_allclose(mean, surrogate.centre + surrogate.scale * expected, rtol=1e-5)
        np.testing.assert_allclose(sd, surrogate.scale * np.sqrt(np.maximum(np.diag(spread), JITTER)), rtol=1e-3)


@each_place
def test_averaged_over_draws_it_is_the_posterior(place: object) -> None:
    """Laws of total expectation and total variance."""
    features, targets = data(12)
    surrogate = fit_surrogate(features, targets, np.full(12, 0.02**2))
    others = data(6, seed=2)[0]
    means, sd = surrogate.draw(place(features), 20_000, np.random.default_rng(0)).elsewhere(others)
    expected, deviation = surrogate.predict(others)
    np.testing.assert_allclose((means.mean(axis=0) - expected) / deviation, 0.0, atol=0.03)
    np.testing.assert_allclose(np.sqrt(means.var(axis=0) + sd**2), deviation, rtol=0.02)


def _constant_feature(n: int) -> tuple[FloatArray, FloatArray]:
    features, targets = data(n)
    return np.column_stack([features, np.full(n, 3.0)]), targets


def _duplicates(n: int) -> tuple[FloatArray, FloatArray]:
    """Each point up to ten times, with targets of its own."""
    features, _ = data(n)
    return features[np.arange(n) // 10], data(n)[1]


CASES = {
    "one observation": data(1),
    "two observations": data(2),
    "a constant feature": _constant_feature(20),
    "constant features alone": (np.full((6, 2), 3.0), data(6)[1]),
    "equal targets": (data(9)[0], np.full(9, 0.1)),
    "equal targets but for rounding": (data(9)[0], np.array([*[0.3] * 8, 0.1 + 0.2])),
    "the same point ten times": _duplicates(30),
    "the same point and target": (np.full((30, 3), 1.0), np.full(30, 0.7)),
    "500 points": data(500),
    "500 points, 30 features": data(500, 30),
    "500 points, all ten times": _duplicates(500),
    "an outlier": (data(20)[0], np.append(data(20)[1][:-1], 1e3)),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_whatever_there_is_to_learn_from(case: tuple[FloatArray, FloatArray]) -> None:
    """Predictions are finite, within a range of the targets, and uncertain enough that something may be gained."""
    features, targets = case
    rng = np.random.default_rng(0)
    others = features[rng.integers(0, len(features), 8)] + rng.uniform(-0.5, 0.5, (8, features.shape[1]))
    for variance in (np.zeros(len(targets)), np.full(len(targets), 0.01**2)):
        surrogate = fit_surrogate(features, targets, variance)
        mean, sd = surrogate.predict(others)
        reach = max(np.ptp(targets), 0.1)
        assert np.all((mean > targets.min() - reach) & (mean < targets.max() + reach))
        assert np.all((sd > 1e-6) & np.isfinite(sd))
        draws = surrogate.draw(np.vstack([features, others]), 3, rng)
        means, less = draws.elsewhere(others + 0.1)
        assert np.isfinite(draws.targets).all() and np.isfinite(means).all()
        assert np.all((less > 0) & (less <= surrogate.predict(others + 0.1)[1] + 1e-9))


def test_equal_targets_leave_as_much_open_as_one() -> None:
    """Rounding of their mean must not count as a spread of theirs: the model would be certain of everything."""
    features, _ = data(9)
    exact = fit_surrogate(features, np.full(9, 0.5), np.zeros(9))
    rounded = fit_surrogate(features, np.full(9, 0.1) + 0.4 + 1e-16 * np.arange(9), np.zeros(9))
    assert rounded.scale == exact.scale == fit_surrogate(features[:1], np.array([0.5]), np.zeros(1)).scale == 1.0


def test_a_least_scale_holds_for_targets_that_spread_less() -> None:
    features, targets = data(9)
    assert fit_surrogate(features, targets, np.zeros(9), least_scale=0.5).scale == 0.5
    assert fit_surrogate(features, targets, np.zeros(9), least_scale=1e-3).scale == pytest.approx(targets.std())


def test_predictions_use_all_targets_though_hyperparameters_need_not() -> None:
    features, targets = data(2 * FIT_TRIALS)
    left_out = 1
    changed = targets.copy()
    changed[left_out] += 0.05
    before, after = (fit_surrogate(features, y, np.zeros(len(y))) for y in (targets, changed))
    at = features[left_out : left_out + 1]
    assert after.predict(at)[0] > before.predict(at)[0] + 0.001
