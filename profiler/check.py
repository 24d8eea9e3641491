"""How well a table predicts networks that it has not seen, beside how well a second measurement does."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict

from nas_search.profiler.robust import Vector
from nas_search.profiler.statistics import ClockName

# A table is as good as measuring if it errs at most so much more, and ranks at least so well, as a second measurement.
RERUN_FACTOR = 1.3
TAU_SHARE = 0.9
BOOTSTRAP_SAMPLES = 10_000
QUARTILES = 4
# Kendall's tau of fewer networks in a quartile says nothing.
MIN_PER_QUARTILE = 3


class CheckFigures(NamedTuple):
    """Figures of the held-out networks, one entry each: predicted four ways, measured twice."""

    raw: Vector
    calibrated: Vector
    depth_only: Vector
    parameters_only: Vector
    measured: Vector
    rerun: Vector


class Interval(NamedTuple):
    """95 % interval."""

    low: float
    high: float


class TableCheck(BaseModel):
    """Errors against the first measurement. MAPE as a share; tau is the mean over quartiles of the measured figures.

    ``minus_depth_only`` and ``minus_parameters_only`` are paired bootstrap intervals of the mean of calibrated minus
    that baseline's absolute relative errors: below zero where the table beats counting operators, or parameters.
    ``level`` is the median of measured over calibrated: 1.1 where everything takes a tenth longer than predicted, as
    under another load.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    n: int
    clock: ClockName
    mape_raw: float
    mape_calibrated: float
    mape_depth_only: float
    mape_parameters_only: float
    mape_rerun: float
    minus_depth_only: Interval
    minus_parameters_only: Interval
    tau_calibrated: float | None
    tau_depth_only: float | None
    tau_parameters_only: float | None
    tau_rerun: float | None
    level: float = 1.0

    @property
    def depth_only_beaten(self) -> bool:
        """Whether the whole interval of the difference is on the table's side."""
        return self.minus_depth_only.high < 0

    @property
    def parameters_only_beaten(self) -> bool:
        """The same for counting parameters."""
        return self.minus_parameters_only.high < 0

    def within(self, mape: float) -> bool:
        """Whether the calibrated error is at most ``mape``, or RERUN_FACTOR times that of measuring again."""
        return self.mape_calibrated <= max(mape, RERUN_FACTOR * self.mape_rerun)

    def reached(self, mape: float) -> bool:
        """Whether the table is as good as measuring: :meth:`within`, ranks like a rerun, and beats both baselines."""
        if self.tau_calibrated is None or self.tau_rerun is None:
            return False
        ranks = self.tau_calibrated >= TAU_SHARE * self.tau_rerun
        return self.within(mape) and ranks and self.depth_only_beaten and self.parameters_only_beaten

    def summary(self) -> str:
        """One line for people."""
        return (
            f"{self.n} held-out networks, {self.clock} clock: MAPE raw {self.mape_raw:.1%}, calibrated "
            f"{self.mape_calibrated:.1%}, depth only {self.mape_depth_only:.1%}, parameters only "
            f"{self.mape_parameters_only:.1%}, measuring again {self.mape_rerun:.1%}; calibrated minus depth only "
            f"{_points(self.minus_depth_only)}, minus parameters only {_points(self.minus_parameters_only)}; tau in "
            f"latency quartiles {_tau(self.tau_calibrated)}, depth only {_tau(self.tau_depth_only)}, parameters only "
            f"{_tau(self.tau_parameters_only)}, measuring again {_tau(self.tau_rerun)}; "
            f"median of measured / calibrated {self.level:.3f}"
        )


def check_figures(figures: CheckFigures, clock: ClockName, *, seed: int) -> TableCheck:
    """The check of predictions against measurements; ``seed`` is that of the bootstrap."""
    measured = figures.measured
    errors = CheckFigures(*(np.abs(figure / measured - 1) for figure in figures))
    return TableCheck(
        n=len(measured),
        clock=clock,
        mape_raw=float(errors.raw.mean()),
        mape_calibrated=float(errors.calibrated.mean()),
        mape_depth_only=float(errors.depth_only.mean()),
        mape_parameters_only=float(errors.parameters_only.mean()),
        mape_rerun=float(errors.rerun.mean()),
        minus_depth_only=bootstrap_interval(errors.calibrated - errors.depth_only, seed=seed),
        minus_parameters_only=bootstrap_interval(errors.calibrated - errors.parameters_only, seed=seed),
        tau_calibrated=quartile_tau(measured, figures.calibrated),
        tau_depth_only=quartile_tau(measured, figures.depth_only),
        tau_parameters_only=quartile_tau(measured, figures.parameters_only),
        tau_rerun=quartile_tau(measured, figures.rerun),
        level=float(np.median(measured / figures.calibrated)),
    )


def bootstrap_interval(differences: Vector, *, seed: int) -> Interval:
    """95 % percentile interval of the mean of paired ``differences`` (Efron 1979)."""
    rng = np.random.default_rng(seed)
    picks = rng.integers(len(differences), size=(BOOTSTRAP_SAMPLES, len(differences)))
    low, high = np.quantile(differences[picks].mean(axis=1), [0.025, 0.975])
    return Interval(float(low), float(high))


def quartile_tau(measured: Vector, other: Vector) -> float | None:
    """Mean over the quartiles of ``measured`` of Kendall's tau-b between the two; None with too few networks.

    Inside a quartile latencies are alike, so big against small, which anything ranks right, does not count. Where
    ``other`` is constant it ranks nothing: tau 0.
    """
    from scipy.stats import kendalltau

    groups = np.array_split(np.argsort(measured, kind="stable"), QUARTILES)
    if min(len(group) for group in groups) < MIN_PER_QUARTILE:
        return None
    taus = [kendalltau(measured[group], other[group]).statistic for group in groups]
    return float(np.mean(np.nan_to_num(taus)))


def _tau(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.2f}"


def _points(interval: Interval) -> str:
    return f"[{interval.low:+.1%}, {interval.high:+.1%}]"
