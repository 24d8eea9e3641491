"""How well a table predicts networks that it has not seen, beside how well a second measurement does."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from nas_search.profiler.statistics import ClockName

Vector = NDArray[np.float64]

BOOTSTRAP_SAMPLES = 10_000
QUARTILES = 4
# Kendall's tau of fewer networks in a quartile says nothing.
MIN_PER_QUARTILE = 3


class CheckFigures(NamedTuple):
    """Latencies in ms of the held-out networks, one entry each: predicted three ways, measured twice."""

    raw: Vector
    calibrated: Vector
    depth_only: Vector
    measured: Vector
    rerun: Vector


class TableCheck(BaseModel):
    """Errors against the first measurement. MAPE as a share; tau is the mean over latency quartiles.

    ``advantage_low`` to ``advantage_high`` is the paired bootstrap interval (95 %) of the mean of calibrated minus
    depth-only absolute relative error: below zero where the table beats counting operators. ``level`` is the median
    of measured over calibrated: 1.1 where everything takes a tenth longer than predicted, as under another load.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    n: int
    clock: ClockName
    mape_raw: float
    mape_calibrated: float
    mape_depth_only: float
    mape_rerun: float
    advantage_low: float
    advantage_high: float
    tau_calibrated: float | None
    tau_depth_only: float | None
    tau_rerun: float | None
    level: float = 1.0

    @property
    def depth_only_beaten(self) -> bool:
        """Whether the whole interval of the difference is on the table's side."""
        return self.advantage_high < 0

    def within(self, mape: float, rerun_factor: float = 1.3) -> bool:
        """Whether the calibrated error is at most ``mape``, or ``rerun_factor`` times that of measuring again."""
        return self.mape_calibrated <= max(mape, rerun_factor * self.mape_rerun)

    def summary(self) -> str:
        """One line for people."""
        return (
            f"{self.n} held-out networks, {self.clock} clock: MAPE raw {self.mape_raw:.1%}, calibrated "
            f"{self.mape_calibrated:.1%}, depth only {self.mape_depth_only:.1%}, measuring again "
            f"{self.mape_rerun:.1%}; calibrated minus depth only [{self.advantage_low:+.1%}, "
            f"{self.advantage_high:+.1%}]; tau in latency quartiles {_tau(self.tau_calibrated)}, depth only "
            f"{_tau(self.tau_depth_only)}, measuring again {_tau(self.tau_rerun)}; "
            f"median of measured / calibrated {self.level:.3f}"
        )


def check_figures(figures: CheckFigures, clock: ClockName, *, seed: int) -> TableCheck:
    """The check of predictions against measurements; ``seed`` is that of the bootstrap."""
    calibrated = _errors(figures.calibrated, figures.measured)
    depth_only = _errors(figures.depth_only, figures.measured)
    low, high = bootstrap_interval(calibrated - depth_only, seed=seed)
    return TableCheck(
        n=len(figures.measured),
        clock=clock,
        mape_raw=float(_errors(figures.raw, figures.measured).mean()),
        mape_calibrated=float(calibrated.mean()),
        mape_depth_only=float(depth_only.mean()),
        mape_rerun=float(_errors(figures.rerun, figures.measured).mean()),
        advantage_low=low,
        advantage_high=high,
        tau_calibrated=quartile_tau(figures.measured, figures.calibrated),
        tau_depth_only=quartile_tau(figures.measured, figures.depth_only),
        tau_rerun=quartile_tau(figures.measured, figures.rerun),
        level=float(np.median(figures.measured / figures.calibrated)),
    )


def bootstrap_interval(differences: Vector, *, seed: int) -> tuple[float, float]:
    """95 % percentile interval of the mean of paired ``differences`` (Efron 1979)."""
    rng = np.random.default_rng(seed)
    picks = rng.integers(len(differences), size=(BOOTSTRAP_SAMPLES, len(differences)))
    low, high = np.quantile(differences[picks].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)


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


def _errors(predicted: Vector, measured: Vector) -> Vector:
    return np.asarray(np.abs(predicted / measured - 1))


def _tau(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.2f}"
