"""From losses to a law: fit, intervals, and how far it is from networks that are larger than those it has seen."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nas_search.errors import InputError
from nas_search.proxies.law_bootstrap import MIN_GROUPS, Groups, resample
from nas_search.proxies.law_fit import STARTS, LawProblem, Tick
from nas_search.proxies.law_identity import require_identified, varying
from nas_search.proxies.law_points import LawPoints
from nas_search.proxies.scaling_law import (
    FACTORS,
    INTERVAL,
    Coefficient,
    HeldOut,
    LawError,
    Observed,
    ScalingLaw,
    Vector,
    coefficient_names,
    evaluate,
)

RESAMPLES = 300
CELLS_HELD_OUT = 4
"""One in so many combinations of depth and width, the largest, is held out."""

Progress = Callable[[int, int], object]


class _Rule(NamedTuple):
    """What is held out: a name, and the rows."""

    name: str
    rows: Callable[[LawPoints], NDArray[np.bool_]]


def fit_law(
    points: LawPoints, *, seed: int = 0, resamples: int = RESAMPLES, progress: Progress | None = None
) -> ScalingLaw:
    """The law of all rows, with the terms of the factors that vary; intervals are from so many ``resamples``.

    Raises InputError if the rows cannot tell its coefficients apart.
    """
    factors = varying(points)
    require_identified(points, factors)
    problem = LawProblem.of(points.values(factors), points.loss)
    rules = _rules(points)
    tick = _ticks(progress, resamples + STARTS * (1 + len(rules)))
    theta = problem.fit(seed=seed, tick=tick)
    best = problem.coefficients(theta)
    groups, kept = _groups(points)
    solutions = resample(problem, theta, groups, resamples, seed=seed, tick=tick)
    drawn = np.array([problem.coefficients(solution) for solution in solutions])
    low, high = np.quantile(drawn, INTERVAL, axis=0)
    return ScalingLaw(
        source=points.source,
        loss=points.loss_name,
        corpus=points.corpus,
        rows=len(points),
        observed={factor: _observed(points.column(factor)) for factor in FACTORS},
        dropped=tuple(factor for factor in FACTORS if factor not in factors),
        coefficients={
            name: Coefficient(value=float(value), low=float(below), high=float(above))
            for name, value, below, above in zip(coefficient_names(factors), best, low, high, strict=True)
        },
        resampling=f"{resamples} fits with random signs of the deviations{kept}",
        resamples=tuple(tuple(float(f"{value:.6g}") for value in row) for row in drawn),
        error=_error(evaluate(best, points.values(factors)), points.loss),
        held_out=tuple(_held_out(points, rule, seed, tick) for rule in rules),
    )


def _ticks(progress: Progress | None, total: int) -> Tick:
    """What counts fits, each time it is called."""
    done = count(1)
    return lambda: progress(next(done), total) if progress is not None else None


def _groups(points: LawPoints) -> tuple[Groups, str]:
    """The group of each row, from 0, whose deviations keep together, and what to say of them."""
    cells, groups = np.unique(points.values(("depth", "width")), axis=0, return_inverse=True)
    if len(cells) >= MIN_GROUPS:
        return groups.ravel(), f"; those of one depth and width keep together ({len(cells)} groups)"
    return np.arange(len(points)), ""


def _observed(column: Vector) -> Observed:
    mean = float(np.exp(np.log(column).mean()))
    return Observed(values=tuple(map(float, np.unique(column))), mean=mean)


def _rules(points: LawPoints) -> list[_Rule]:
    """What can be held out of these rows."""
    cells = len(np.unique(points.values(("depth", "width")), axis=0))
    rules = [_Rule("the largest quarter of networks by depth x width", _largest_cells)] if cells > 1 else []
    budgets = len(np.unique(points.tokens))
    return [*rules, _Rule("the largest number of tokens", _most_tokens)] if budgets > 1 else rules


def _largest_cells(points: LawPoints) -> NDArray[np.bool_]:
    sizes = points.depth * points.width
    cells = np.unique(points.values(("depth", "width")), axis=0)
    largest = max(1, len(cells) // CELLS_HELD_OUT)
    return np.asarray(sizes >= np.sort(cells.prod(axis=1))[-largest])


def _most_tokens(points: LawPoints) -> NDArray[np.bool_]:
    return np.asarray(points.tokens == points.tokens.max())


def _held_out(points: LawPoints, rule: _Rule, seed: int, tick: Tick) -> HeldOut:
    """The error on the rows of a rule by a law of the others, with the same terms."""
    out = rule.rows(points)
    rest, larger = points.take(~out), points.take(out)
    factors = varying(points)
    nearest = _error(_nearest(rest, larger), larger.loss)
    try:
        require_identified(rest, factors)
    except InputError:
        return HeldOut(rule=rule.name, fitted=len(rest), nearest=nearest)
    problem = LawProblem.of(rest.values(factors), rest.loss)
    found = problem.coefficients(problem.fit(seed=seed, tick=tick))
    error = _error(evaluate(found, larger.values(factors)), larger.loss)
    return HeldOut(rule=rule.name, fitted=len(rest), error=error, nearest=nearest)


def _nearest(rest: LawPoints, larger: LawPoints) -> Vector:
    """For each of the larger rows the loss of the other that is nearest in depth, width and tokens, by ratio."""
    known, asked = (np.log(points.values(FACTORS)) for points in (rest, larger))
    distances = np.sum((asked[:, None] - known[None]) ** 2, axis=2)
    losses: Vector = rest.loss[distances.argmin(axis=1)]
    return losses


def _error(predicted: Vector, losses: Vector) -> LawError:
    shares = np.abs(predicted / losses - 1)
    return LawError(n=len(losses), mean=float(shares.mean()), greatest=float(shares.max()))
