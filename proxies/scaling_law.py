"""The scaling law of depth, width and tokens: ``L(D, W, N) = L0 + a D^-alpha + b W^-beta + c N^-gamma``.

It is that of Nemotron-Flash (arXiv 2511.18890, section 3.1). D counts operators, token mixers and FFNs alike, W is the
hidden size, N the training tokens. A law that was fitted on data of one depth, width or number of tokens lacks that
term: what it adds is part of L0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from nas_search.errors import InputError, first_problem, unreadable

Factor = Literal["depth", "width", "tokens"]
Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

FACTORS: tuple[Factor, ...] = ("depth", "width", "tokens")
SYMBOLS: dict[Factor, tuple[str, str]] = {"depth": ("a", "alpha"), "width": ("b", "beta"), "tokens": ("c", "gamma")}
FLOOR = "L0"
INTERVAL = (0.025, 0.975)
EXPONENTS = (1e-3, 10.0)
"""What a fit may reach; beyond it the data do not tell a value from its bound."""
LEAST_VALUE, MOST_VALUE = 1e-25, 1e25
"""Of a factor and of a loss: their powers by any exponent of a fit are numbers, too."""

_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Value = Annotated[float, Field(ge=LEAST_VALUE, le=MOST_VALUE)]
_Share = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Count = Annotated[int, Field(ge=0)]


def coefficient_names(factors: Iterable[Factor]) -> tuple[str, ...]:
    """``L0``, then coefficient and exponent of each factor's term: the order of the p coefficients everywhere."""
    return (FLOOR, *(symbol for factor in factors for symbol in SYMBOLS[factor]))


def evaluate(coefficients: NDArray[np.float64], values: Matrix) -> NDArray[np.float64]:
    """The losses [..., n] of laws with ``coefficients`` [..., p] at factors' ``values`` [n, k], p = 1 + 2 k."""
    powers = values.T ** -coefficients[..., 2::2, None]
    terms = coefficients[..., 1::2, None] * powers
    return np.asarray(coefficients[..., :1] + terms.sum(axis=-2))


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Coefficient(_Stored):
    """A fitted value with its 95 % bootstrap interval."""

    value: _Positive
    low: _Positive
    high: _Positive

    @model_validator(mode="after")
    def _is_interval(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"low is above high ({self.low:g}, {self.high:g})")
        return self


class LawError(_Stored):
    """How far the law is from ``n`` losses, as shares of them: mean and greatest deviation."""

    n: Annotated[int, Field(ge=1)]
    mean: _Share
    greatest: _Share

    def __str__(self) -> str:
        return f"mean {self.mean:.1%}, at most {self.greatest:.1%} (n = {self.n})"


class HeldOut(_Stored):
    """The error on larger ones of a law fitted on the ``fitted`` other rows; None if these cannot tell its terms.

    ``nearest`` is the error without any law: if each were as that of the other rows which is nearest to it, by the
    ratios of all factors. None where it was not recorded.
    """

    rule: str
    fitted: _Count
    error: LawError | None = None
    nearest: LawError | None = None


class Observed(_Stored):
    """The values of a factor in the data: each once, rising, and the geometric mean over all rows."""

    values: Annotated[tuple[_Value, ...], Field(min_length=1)]
    mean: _Value

    @model_validator(mode="after")
    def _rise(self) -> Self:
        if any(low >= high for low, high in pairwise(self.values)):
            raise ValueError("values rise, each once")
        return self


class ScalingLaw(_Stored):
    """A fitted law with what it takes to judge it.

    ``coefficients`` are by name, in the order of :func:`coefficient_names`; so are the rows of ``resamples`` [B, p],
    whose spread is that of the coefficients. ``resampling`` says what was drawn for them. ``dropped`` are the factors
    that did not vary and have no term. ``loss`` is the name of what is predicted, ``corpus`` the hash of the text that
    was trained on, where that is known.
    """

    format: Literal[1] = 1
    source: str
    loss: str
    corpus: str | None = None
    rows: Annotated[int, Field(ge=1)]
    observed: dict[Factor, Observed]
    dropped: tuple[Factor, ...]
    coefficients: dict[str, Coefficient]
    resampling: str
    resamples: tuple[tuple[_Positive, ...], ...]
    error: LawError
    held_out: tuple[HeldOut, ...]

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        names = coefficient_names(self.factors)
        if set(self.observed) != set(FACTORS):
            raise ValueError(f"observed: one entry each for {', '.join(FACTORS)}")
        if not self.factors or tuple(self.coefficients) != names:
            raise ValueError(
                f"coefficients: {', '.join(self.coefficients) or 'none'}; without the terms of "
                f"{', '.join(self.dropped) or 'none'} they are {', '.join(names)}, in this order"
            )
        if not self.resamples or any(len(row) != len(names) for row in self.resamples):
            raise ValueError(f"resamples: rows of {len(names)} coefficients, one row at least")
        best = [found.value for found in self.coefficients.values()]
        if not all(math.isfinite(sum(row)) for row in (best, *self.resamples)):
            raise ValueError("coefficients and resamples: too large to be added up")
        try:
            with np.errstate(all="ignore"):
                self.contributions()
        except ValidationError:
            raise ValueError("coefficients and resamples: a term is zero or infinite at its factor's mean") from None
        return self

    @property
    def factors(self) -> tuple[Factor, ...]:
        """The factors that have a term."""
        return tuple(factor for factor in FACTORS if factor not in self.dropped)

    @property
    def unbounded(self) -> tuple[str, ...]:
        """The exponents whose intervals end at a bound of the fit: the data do not tell them from it."""
        least, most = EXPONENTS
        exponents = ((name, self.coefficients[name]) for name in coefficient_names(self.factors)[2::2])
        return tuple(name for name, found in exponents if found.low <= 1.01 * least or found.high >= 0.99 * most)

    def predict(self, depth: Vector, width: Vector, tokens: Vector) -> Vector:
        """The losses [n] of networks; factors without a term do not matter."""
        best = np.array([found.value for found in self.coefficients.values()])
        return evaluate(best, self._values(depth, width, tokens))

    def predict_resampled(self, depth: Vector, width: Vector, tokens: Vector) -> Matrix:
        """The same by every resample, [B, n]."""
        return evaluate(np.array(self.resamples), self._values(depth, width, tokens))

    def contributions(self) -> dict[str, Coefficient]:
        """What L0 and each term, by its coefficient, add to the loss where the factors have their means."""
        means = np.array([self.observed[factor].mean for factor in self.factors])
        best = np.array([found.value for found in self.coefficients.values()])
        shown = np.vstack([best, np.array(self.resamples)])
        parts = np.hstack([shown[:, :1], shown[:, 1::2] * means ** -shown[:, 2::2]])
        low, high = np.quantile(parts[1:], INTERVAL, axis=0)
        names = (FLOOR, *(SYMBOLS[factor][0] for factor in self.factors))
        return {
            name: Coefficient(value=float(value), low=float(below), high=float(above))
            for name, value, below, above in zip(names, parts[0], low, high, strict=True)
        }

    def covers(self, *, depth: float, width: float, tokens: float) -> bool:
        """Whether all values lie within the data, so that nothing is extrapolated."""
        asked: dict[Factor, float] = {"depth": depth, "width": width, "tokens": tokens}
        observed = ((self.observed[factor].values, value) for factor, value in asked.items())
        return all(values[0] <= value <= values[-1] for values, value in observed)

    def require(self, *factors: Factor) -> None:
        """Raise InputError if the law has no term of one of these."""
        for factor in factors:
            if factor in self.dropped:
                raise InputError(
                    f"law of {self.source}: no term of {factor}, which was {self.observed[factor].mean:g} in all data"
                )

    def to_json(self) -> str:
        """As JSON that :meth:`load` reads."""
        return self.model_dump_json() + "\n"

    @classmethod
    def load(cls, path: Path) -> ScalingLaw:
        """Read a file of :meth:`to_json`. Raises InputError that names the file and the field."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise InputError(f"law {path}: cannot be read: {unreadable(error)}") from None
        except ValidationError as error:
            raise InputError(f"law {path}: {first_problem(error)}") from None

    def _values(self, depth: Vector, width: Vector, tokens: Vector) -> Matrix:
        columns: dict[Factor, Vector] = {"depth": depth, "width": width, "tokens": tokens}
        return np.column_stack([columns[factor] for factor in self.factors])
