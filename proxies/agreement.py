"""How well proxies rank networks as a longer training does: overall, and among networks that are equally fast.

Over all sizes the number of parameters alone ranks well, so what a proxy adds shows inside bands of equal latency, and
in its difference to that number and to depth. All intervals are from the same bootstrap resamples of networks, so that
differences are paired.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict

from nas_search.errors import InputError
from nas_search.proxies.rank_correlation import Bands, Counts, Vector, draw_resamples, equal_bands, rhos, taus

FEWEST, FEWEST_IN_BAND = 8, 5
RESAMPLES = 2000
PARAMETERS, DEPTH, LATENCY = "parameters", "depth", "latency"
BASELINES = (PARAMETERS, DEPTH)
"""What a proxy must beat."""


class Proxy(NamedTuple):
    """Scores [n] of n networks, less is better; ``rung`` is its place among trainings, shortest first, if it is one."""

    name: str
    values: Vector
    rung: int | None = None


@dataclass(frozen=True, eq=False)
class Scores:
    """What proxies say of the n networks of ``source``, and ``truth`` [n], the loss that they should have foreseen.

    ``left_out`` networks had no such loss. ``latencies`` [n] make the bands.
    """

    source: str
    target: str
    truth: Vector
    proxies: tuple[Proxy, ...]
    latencies: Vector | None = None
    architectures: tuple[str, ...] = ()
    left_out: int = 0

    def with_proxies(self, more: tuple[Proxy, ...]) -> Scores:
        """With more proxies of the same networks."""
        return replace(self, proxies=self.proxies + more)


class Figure(BaseModel):
    """A statistic with its 95 % bootstrap interval over networks."""

    model_config = ConfigDict(frozen=True)

    value: float
    low: float
    high: float


class Correlation(BaseModel):
    """Kendall's tau-b and Spearman's rho; None where one of the scores is constant."""

    model_config = ConfigDict(frozen=True)

    tau: Figure | None
    rho: Figure | None


class ProxyAgreement(BaseModel):
    """Of one proxy, overall and inside bands; ``tau_above`` has the differences of tau-b to the baselines by name."""

    model_config = ConfigDict(frozen=True)

    name: str
    rung: int | None
    overall: Correlation
    in_bands: Correlation | None
    tau_above: dict[str, Figure]
    tau_above_in_bands: dict[str, Figure]


class BandSizes(BaseModel):
    """The bands: how many networks each has, and how many times its slowest is slower than its fastest."""

    model_config = ConfigDict(frozen=True)

    networks: tuple[int, ...]
    spread: tuple[float, ...]


class Agreement(BaseModel):
    """All proxies of n networks against ``target``. Without ``bands``, ``no_bands`` says why there are none."""

    model_config = ConfigDict(frozen=True)

    source: str
    target: str
    n: int
    left_out: int
    resamples: int
    bands: BandSizes | None
    no_bands: str | None
    proxies: tuple[ProxyAgreement, ...]

    def shortest(self, wanted: float, *, in_bands: bool) -> ProxyAgreement | None:
        """The shortest training whose tau-b is ``wanted`` or more at the lower end of its interval."""
        trained = sorted((proxy for proxy in self.proxies if proxy.rung is not None), key=lambda proxy: proxy.rung or 0)
        return next((proxy for proxy in trained if _least_tau(proxy, in_bands) >= wanted), None)


def measure_agreement(scores: Scores, *, bands: int = 4, resamples: int = RESAMPLES, seed: int = 0) -> Agreement:
    """Correlate each proxy with the truth. Raises InputError for too few networks."""
    n = len(scores.truth)
    if n < FEWEST:
        raise InputError(f"{scores.source}: {n} networks have {scores.target}; at least {FEWEST} are needed")
    no_bands = _why_no_bands(scores, bands)
    in_bands = equal_bands(scores.latencies, bands) if no_bands is None and scores.latencies is not None else None
    counts = np.concatenate([np.ones((1, n), dtype=np.int64), draw_resamples(n, resamples, seed)])
    overall = _sampled(scores, counts, None)
    inside = {} if in_bands is None else _sampled(scores, counts, in_bands)
    return Agreement(
        source=scores.source,
        target=scores.target,
        n=n,
        left_out=scores.left_out,
        resamples=resamples,
        bands=None if in_bands is None or scores.latencies is None else _sizes(scores.latencies, in_bands),
        no_bands=no_bands,
        proxies=tuple(_of_proxy(proxy, overall, inside) for proxy in scores.proxies),
    )


class _Sampled(NamedTuple):
    """[1 + resamples] of the data as they are, then of resamples."""

    tau: Vector
    rho: Vector


def _sampled(scores: Scores, counts: Counts, bands: Bands | None) -> dict[str, _Sampled]:
    return {
        proxy.name: _Sampled(*(statistic(proxy.values, scores.truth, counts, bands) for statistic in (taus, rhos)))
        for proxy in scores.proxies
    }


def _of_proxy(proxy: Proxy, overall: dict[str, _Sampled], inside: dict[str, _Sampled]) -> ProxyAgreement:
    return ProxyAgreement(
        name=proxy.name,
        rung=proxy.rung,
        overall=_correlation(overall[proxy.name]),
        in_bands=_correlation(inside[proxy.name]) if inside else None,
        tau_above=_differences(proxy.name, overall),
        tau_above_in_bands=_differences(proxy.name, inside),
    )


def _correlation(sampled: _Sampled) -> Correlation:
    return Correlation(tau=_figure(sampled.tau), rho=_figure(sampled.rho))


def _differences(name: str, sampled: dict[str, _Sampled]) -> dict[str, Figure]:
    if name in BASELINES:
        return {}
    there = [baseline for baseline in BASELINES if baseline in sampled]
    found = {baseline: _figure(sampled[name].tau - sampled[baseline].tau) for baseline in there}
    return {baseline: figure for baseline, figure in found.items() if figure is not None}


def _figure(values: Vector) -> Figure | None:
    if np.isnan(values[0]):
        return None
    low, high = np.nanquantile(values[1:], [0.025, 0.975])
    return Figure(value=float(values[0]), low=float(low), high=float(high))


def _why_no_bands(scores: Scores, bands: int) -> str | None:
    if scores.latencies is None:
        return "no latencies"
    if len(scores.truth) < bands * FEWEST_IN_BAND:
        return f"{len(scores.truth)} networks; {bands} bands need {bands * FEWEST_IN_BAND}"
    return None


def _sizes(latencies: Vector, bands: Bands) -> BandSizes:
    members = [latencies[bands == band] for band in np.unique(bands)]
    return BandSizes(
        networks=tuple(len(found) for found in members),
        spread=tuple(float(found.max() / found.min()) for found in members),
    )


def _least_tau(proxy: ProxyAgreement, in_bands: bool) -> float:
    correlation = proxy.in_bands if in_bands else proxy.overall
    return correlation.tau.low if correlation and correlation.tau else -np.inf
