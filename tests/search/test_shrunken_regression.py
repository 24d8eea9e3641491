import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_search.search.shrunken_regression import Moments, Regression

NOISE, CONSTANT = 0.05, 0.5
WEIGHTS = np.array([0.4, -0.2, 0.0])


def rows(count: int, seed: int = 0, noise: float = NOISE) -> tuple[np.ndarray, np.ndarray]:
    """Inputs [count, 3] about 20, and targets that follow WEIGHTS."""
    rng = np.random.default_rng(seed)
    inputs = 20 + rng.standard_normal((count, 3))
    return inputs, 0.3 + (inputs - 20) @ WEIGHTS + noise * rng.standard_normal(count)


def regression(inputs: np.ndarray, targets: np.ndarray) -> Regression:
    found = Regression(Moments.none(inputs.shape[1]), noise=NOISE, constant=CONSTANT)
    for row, target in zip(inputs, targets, strict=True):
        found = found.with_row(row, float(target))
    return found


@given(st.integers(1, 30), st.integers(0, 100))
def test_moments_are_those_of_all_rows(count: int, seed: int) -> None:
    inputs, targets = rows(count, seed)
    together = np.column_stack([inputs, targets])
    moments = regression(inputs, targets).moments
    apart = together - together.mean(axis=0)
    assert moments.count == count
    np.testing.assert_allclose(moments.means, together.mean(axis=0))
    np.testing.assert_allclose(moments.products, apart.T @ apart, atol=1e-9)


def test_without_rows_there_is_no_change_to_expect_and_little_is_known() -> None:
    mean, variance = Regression(Moments.none(3), noise=NOISE, constant=CONSTANT).predict(np.zeros(3))
    assert mean == 0
    assert variance > CONSTANT**2


def test_one_row_teaches_the_constant() -> None:
    mean, variance = regression(*rows(1)).predict(rows(1)[0][0])
    assert mean == pytest.approx(rows(1)[1][0], abs=0.02)
    assert variance < CONSTANT**2 / 4


def test_many_rows_teach_the_weights() -> None:
    found = regression(*rows(400))
    np.testing.assert_allclose(found.weights, WEIGHTS, atol=0.02)
    mean, variance = found.predict(np.array([22.0, 20.0, 20.0]))
    assert mean == pytest.approx(0.3 + 2 * 0.4, abs=0.03)
    assert variance**0.5 == pytest.approx(NOISE, rel=0.1)


def test_inputs_that_explain_nothing_are_shrunk_away() -> None:
    inputs, _ = rows(40)
    targets = 0.3 + NOISE * np.random.default_rng(1).standard_normal(40)
    assert np.abs(regression(inputs, targets).weights).max() < 0.1 * NOISE


def test_it_is_the_ridge_regression_of_the_chosen_signal() -> None:
    """The same as solving the normal equations for one of the signals, constant apart."""
    inputs, targets = rows(25)
    x = inputs - inputs.mean(axis=0)
    y = targets - targets.mean()
    solutions = [np.linalg.solve(x.T @ x + 3 / signal * np.eye(3), x.T @ y) for signal in (0.01, 0.1, 1.0, 10.0, 100.0)]
    weights = regression(inputs, targets).weights
    assert min(np.abs(weights - solution).max() for solution in solutions) < 1e-9


def test_intervals_hold_as_many_as_they_say() -> None:
    inside = []
    for seed in range(60):
        inputs, targets = rows(40, seed)
        found = regression(inputs[:20], targets[:20])
        for row, target in zip(inputs[20:], targets[20:], strict=True):
            mean, variance = found.predict(row)
            inside.append(abs(target - mean) < 2 * variance**0.5)
    assert np.mean(inside) == pytest.approx(0.954, abs=0.02)


@given(st.integers(2, 20), st.integers(0, 100))
def test_what_is_far_from_all_rows_is_less_certain(count: int, seed: int) -> None:
    found = regression(*rows(count, seed))
    centre = found.moments.means[:-1]
    variances = [found.predict(centre + far)[1] for far in (0.0, 1.0, 3.0, 9.0)]
    assert variances == sorted(variances) and variances[0] < variances[-1]
