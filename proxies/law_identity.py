"""Whether data tell the coefficients of a law apart, said before anything is fitted."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from nas_search.errors import InputError
from nas_search.proxies.law_points import LawPoints
from nas_search.proxies.scaling_law import FACTORS, SYMBOLS, Factor, coefficient_names

LEAST_SPREAD = 1e-6


def varying(points: LawPoints) -> tuple[Factor, ...]:
    """The factors with more than one value. Raises InputError if there are none."""
    found = tuple(factor for factor in FACTORS if len(np.unique(points.column(factor))) > 1)
    if not found:
        raise InputError(f"{points.source}: depth, width and tokens are the same in every row: there is no law to fit")
    return found


def require_identified(points: LawPoints, factors: Sequence[Factor]) -> None:
    """Raise InputError, saying what is missing, unless the rows can tell all coefficients apart.

    A law of some factors has a coefficient and an exponent for each, and L0. So the values of any of the factors must
    be different at so many rows, and at one more for all of them, or nothing were left to judge the law by.
    """
    names = coefficient_names(factors)
    places = _places(points, factors)
    if places <= len(names):
        raise InputError(
            f"{points.source}: {_rows(len(points))} with {places} different {_and(factors)}, and the law has "
            f"{len(names)} coefficients ({', '.join(names)}); give {len(names) + 1} different ones at least"
        )
    for size in range(1, len(factors)):
        for some in combinations(factors, size):
            needed, there = 1 + 2 * size, _places(points, some)
            if there < needed:
                raise InputError(_too_few(points, some, there, needed))
    _refuse_aligned(points, factors)


def _too_few(points: LawPoints, factors: Sequence[Factor], there: int, needed: int) -> str:
    """One factor with two values, or several that change together."""
    what = f"{points.source}: {there} different {_and(factors)}"
    if len(factors) > 1:
        return f"{what}, too few to tell their terms apart; {needed} are needed"
    (factor,) = factors
    coefficient, exponent = SYMBOLS[factor]
    values = " and ".join(f"{value:g}" for value in np.unique(points.column(factor)))
    advice = f"or keep one of them{' (--tokens)' * (factor == 'tokens')}, which drops the term"
    return f"{what} ({values}); {coefficient} and {exponent} take {needed}: add another, {advice}"


def _refuse_aligned(points: LawPoints, factors: Sequence[Factor]) -> None:
    """Factors of which one is a power of the others, such as a width of 64 for each layer."""
    logs = np.log(points.values(factors))
    spread = logs - logs.mean(axis=0)
    sizes = np.linalg.svd(spread / np.linalg.norm(spread, axis=0), compute_uv=False)
    if sizes[-1] < LEAST_SPREAD:
        raise InputError(
            f"{points.source}: {_and(factors)} change together, one as a power of the others; their terms cannot be "
            f"told apart"
        )


def _places(points: LawPoints, factors: Sequence[Factor]) -> int:
    return len(np.unique(points.values(factors), axis=0))


def _and(factors: Sequence[Factor]) -> str:
    """``depths``, or ``combinations of depth and width``."""
    if len(factors) > 1:
        return f"combinations of {', '.join(factors[:-1])} and {factors[-1]}"
    return {"depth": "depths", "width": "widths", "tokens": "budgets of tokens"}[factors[0]]


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"
