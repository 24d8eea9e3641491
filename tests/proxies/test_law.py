"""Laws that are known come back, as well as their intervals say; and what cannot be told is refused."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest
from law_maker import DEPTHS, TOKENS, TRUE, WIDTHS, true_points
from scipy.optimize import least_squares

from nas_search.errors import InputError
from nas_search.proxies.law import fit_law
from nas_search.proxies.law_fit import HUBER_DELTA, LawProblem
from nas_search.proxies.law_points import LawPoints
from nas_search.proxies.scaling_law import EXPONENTS, FACTORS, ScalingLaw, evaluate

quick_law = partial(fit_law, resamples=60)


def best(law: ScalingLaw) -> dict[str, float]:
    return {name: found.value for name, found in law.coefficients.items()}


def test_without_noise_the_coefficients_come_back() -> None:
    law = quick_law(true_points())
    assert best(law) == pytest.approx(TRUE, rel=1e-3)
    assert law.error.greatest < 1e-6
    assert law.dropped == ()


def test_with_noise_they_are_within_their_intervals() -> None:
    law = fit_law(true_points(noise=0.004))
    for name, found in law.coefficients.items():
        assert found.low <= TRUE[name] <= found.high, name
        assert found.low <= found.value <= found.high, name
    for exponent in ("alpha", "gamma"):
        assert law.coefficients[exponent].high < 5 * law.coefficients[exponent].low
    assert law.error.mean < 0.005
    assert len(law.resamples) == 300
    assert law.unbounded == ()


@pytest.mark.parametrize("cell_noise", [0.0, 0.004])
def test_intervals_cover_about_as_often_as_they_say(cell_noise: float) -> None:
    """Also where networks are better or worse than the law at every budget, as real ones are."""
    hits = []
    for seed in range(10):
        law = quick_law(true_points(noise=0.002, cell_noise=cell_noise, seed=seed))
        hits += [found.low <= TRUE[name] <= found.high for name, found in law.coefficients.items()]
    assert 0.8 <= np.mean(hits) <= 0.99


def test_more_noise_makes_wider_intervals() -> None:
    def width(noise: float) -> float:
        found = quick_law(true_points(noise=noise)).coefficients["gamma"]
        return found.high - found.low

    assert width(0.006) > 2 * width(0.001)


def test_the_same_seed_gives_the_same_law() -> None:
    points = true_points(noise=0.005)
    assert quick_law(points, seed=3) == quick_law(points, seed=3)


def test_one_wild_loss_hardly_counts() -> None:
    points = true_points(noise=0.001)
    clean = LawProblem.of(points.values(FACTORS), points.loss)
    spoiled = points.loss.copy()
    spoiled[7] *= 1.5
    wild = LawProblem.of(points.values(FACTORS), spoiled)
    losses = [
        evaluate(problem.coefficients(problem.fit(seed=0, tick=lambda: None)), points.values(FACTORS))
        for problem in (clean, wild)
    ]
    assert np.abs(losses[1] / losses[0] - 1).max() < 0.003


@pytest.mark.parametrize("noise", [0.002, 0.05])
def test_no_optimiser_with_bounds_finds_a_lower_loss(noise: float) -> None:
    points = true_points(noise=noise)
    problem = LawProblem.of(points.values(FACTORS), points.loss)
    found = problem.loss(problem.fit(seed=0, tick=lambda: None))
    rng = np.random.default_rng(1)
    for _ in range(5):
        start = np.concatenate([[np.log(0.3)], np.ravel([[np.log(0.2), rng.uniform(-2, 0.5)] for _ in FACTORS])])
        bounds = np.log([1e-10] + [1e-10, EXPONENTS[0]] * 3), np.log([10.0] + [10.0, EXPONENTS[1]] * 3)
        other = least_squares(
            lambda theta: problem.predict(theta) - problem.targets,
            start, problem.jacobian, bounds=bounds, loss="huber", f_scale=HUBER_DELTA,
        )  # fmt: skip
        assert found <= other.cost / len(points) * (1 + 1e-6)


def test_the_gradient_is_that_of_the_prediction() -> None:
    points = true_points()
    problem = LawProblem.of(points.values(FACTORS), points.loss)
    theta = np.log([0.3, 0.2, 0.5, 0.1, 0.9, 0.3, 0.2])
    step = 1e-6
    numeric = [(problem.predict(theta + e) - problem.predict(theta - e)) / (2 * step) for e in step * np.eye(7)]
    assert problem.jacobian(theta) == pytest.approx(np.array(numeric).T, abs=1e-8)


@pytest.mark.parametrize(
    ("changes", "dropped", "names"),
    [
        ({"tokens": TOKENS[:1]}, ("tokens",), ["L0", "a", "alpha", "b", "beta"]),
        ({"depths": (8,)}, ("depth",), ["L0", "b", "beta", "c", "gamma"]),
        ({"depths": (8,), "widths": (256,), "tokens": (1e6, 2e6, 4e6, 1e7)}, ("depth", "width"), ["L0", "c", "gamma"]),
    ],
)
def test_a_factor_that_does_not_vary_has_no_term(
    changes: dict[str, Sequence[float]], dropped: tuple[str, ...], names: list[str]
) -> None:
    law = quick_law(true_points(**changes))
    assert law.dropped == dropped
    assert list(law.coefficients) == names
    assert law.error.greatest < 1e-5
    for name in names[1:]:
        assert law.coefficients[name].value == pytest.approx(TRUE[name], rel=0.01)


def test_the_error_is_that_of_a_law_of_the_smaller_ones() -> None:
    law = quick_law(true_points(noise=0.003))
    cells, budgets = law.held_out
    assert cells.error is not None
    assert cells.fitted + cells.error.n == law.rows == 60
    assert cells.error.n == 18  # six of twenty networks: two of them are as large as the fifth
    assert 0 < cells.error.mean < 0.02
    assert cells.error.mean <= cells.error.greatest
    assert (budgets.fitted, budgets.error) == (40, None)  # two budgets are too few


def test_held_out_losses_do_not_help_the_law_that_predicts_them() -> None:
    points = true_points(tokens=(1e6, 2e6, 4e6, 8e6))
    spoiled = LawPoints("made", points.depth, points.width, points.tokens, points.loss.copy())
    spoiled.loss[points.tokens == 8e6] *= 1.1
    cells, budgets = quick_law(spoiled).held_out
    assert cells.error is not None
    assert budgets.error is not None
    assert budgets.error.n == 20
    assert budgets.error.mean == pytest.approx(1 - 1 / 1.1, abs=1e-4)


def test_beside_the_law_stands_the_error_of_the_nearest_row() -> None:
    def law(depth: Any, width: Any) -> Any:
        return 1.0 + 4.0 / depth + 8.0 / width

    depth, width = (axis.ravel() for axis in np.meshgrid([2.0, 4.0, 8.0], [64.0, 96.0, 144.0]))
    (cells,) = quick_law(LawPoints("made", depth, width, np.full(9, 1e6), law(depth, width))).held_out
    # Held out: 8 x 96, which is nearest to 8 x 64, and 8 x 144, which is nearest to 4 x 144.
    shares = [law(8, 64) / law(8, 96) - 1, law(4, 144) / law(8, 144) - 1]
    assert cells.nearest is not None and cells.error is not None
    assert (cells.nearest.n, cells.nearest.mean) == (2, pytest.approx(np.mean(shares)))
    assert cells.error.mean < 0.01 * cells.nearest.mean


def rows(*values: tuple[float, float, float]) -> Callable[[], LawPoints]:
    columns = np.array(values, dtype=np.float64).T
    return lambda: LawPoints("t.csv", *columns, np.linspace(3, 2, len(values)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            rows((4, 64, 1e6), (8, 128, 1e6), (12, 256, 2e6)),
            r"3 rows with 3 .* 7 coefficients \(L0, a, alpha, b, beta, c",
        ),
        (rows((4, 64, 1e6)), "depth, width and tokens are the same in every row"),
        (rows(*[(4, 64, 1e6)] * 9), "depth, width and tokens are the same in every row"),
        (rows(*[(depth, 64, 1e6) for depth in (4, 8)] * 9), r"18 rows with 2 different depths.* 3 coefficients"),
        (
            lambda: true_points(DEPTHS, WIDTHS, TOKENS[:2]),
            r"2 different budgets of tokens \(1e\+06 and 3e\+06\); c and gamma take 3: .*keep one of them \(--tokens\)",
        ),
        (lambda: true_points((4, 8), WIDTHS, TOKENS), r"2 different depths \(4 and 8\); a and alpha take 3"),
        (
            rows(*[(depth, 32 * depth, tokens) for depth in DEPTHS for tokens in TOKENS]),
            "depth, width and tokens change together",
        ),
        (
            rows(*[(depth, depth**2 + 100, tokens) for depth in DEPTHS[:4] for tokens in TOKENS]),
            "4 different combinations of depth and width, too few to tell their terms apart; 5 are needed",
        ),
    ],
)
def test_what_cannot_be_told_is_refused(make: Callable[[], LawPoints], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        quick_law(make())
    assert "\n" not in str(caught.value)


def test_progress_counts_every_fit() -> None:
    seen: list[tuple[int, int]] = []
    quick_law(true_points(tokens=(1e6, 2e6, 4e6, 8e6)), progress=lambda done, total: seen.append((done, total)))
    assert [done for done, _ in seen] == list(range(1, len(seen) + 1))
    assert len(seen) == 60 + 3 * 24
