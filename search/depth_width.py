"""Depth and width by a scaling law (Nemotron-Flash, section 3.1): the lowest predicted loss under a latency budget."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from nas_search.errors import InputError
from nas_search.profiler.measurement import Failure
from nas_search.profiler.workload import Workload
from nas_search.proxies.scaling_law import INTERVAL, Matrix, ScalingLaw, Vector
from nas_search.search.block_grid import BlockGrid
from nas_search.search.budget import Budget, Milliseconds, TimesFastest, parse_budget
from nas_search.search.network_latency import Latencies, Latency
from nas_search.space.architecture import Architecture


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Candidate(_Frozen):
    """A block ``repeats`` times at a width, with what the law predicts for it (95 % bootstrap interval).

    Without a ``latency`` there is the ``reason``. ``best_share`` is the share of the law's resamples by which no
    candidate within the budget is better, 0 for those over it. ``extrapolated`` means outside of the law's data.
    """

    architecture: str
    repeats: int
    depth: int
    width: int
    parameters: int
    loss: float
    loss_low: float
    loss_high: float
    extrapolated: bool
    latency: Latency | None = None
    reason: str | None = None
    within: bool = False
    best_share: float = 0.0


class Choice(_Frozen):
    """All candidates, by depth and width, and the index of the one that was chosen.

    ``loss`` is the name of what is predicted, for ``tokens`` of training; the budget is in ``unit``.
    """

    device: str
    workload: str
    unit: str
    budget: float
    loss: str
    tokens: float
    candidates: tuple[Candidate, ...]
    chosen: int

    @property
    def winner(self) -> Candidate:
        """The one of lowest predicted loss within the budget."""
        return self.candidates[self.chosen]


class TimedShapes(NamedTuple):
    """The networks of a grid with their latencies, or why there are none; ``within`` marks those in the budget."""

    grid: BlockGrid
    workload: Workload
    networks: Sequence[Architecture]
    answers: Sequence[Latency | Failure]
    budget: float
    within: NDArray[np.bool_]


def time_shapes(grid: BlockGrid, budget: str, latencies: Latencies, workload: Workload) -> TimedShapes:
    """Ask for the latency of every candidate.

    Raises InputError if none is within the budget, with the fastest.
    """
    limit, networks = parse_budget(budget), grid.networks()
    named = [limit] if isinstance(limit, Architecture) else []
    answers = latencies([*networks, *named])
    found = answers[: len(networks)]
    bound = _bound(budget, limit, found, answers[-1])
    within = np.array([isinstance(one, Latency) and one.value <= bound for one in found])
    if not within.any():
        raise InputError(_none_within(budget, bound, workload, networks, found))
    return TimedShapes(grid, workload, networks, found, bound, within)


def choose(law: ScalingLaw, timed: TimedShapes, *, device: str, tokens: float) -> Choice:
    """Of the candidates within the budget the one of lowest predicted loss.

    Raises InputError if the law lacks depth or width.
    """
    law.require("depth", "width")
    networks, within = timed.networks, timed.within
    losses = _losses(law, networks, tokens)
    shares = _best_shares(losses.resampled, within)
    return Choice(
        device=device,
        workload=str(timed.workload),
        unit=timed.workload.unit,
        budget=timed.budget,
        loss=law.loss,
        tokens=tokens,
        candidates=tuple(
            Candidate(
                architecture=network.notation,
                repeats=network.depth // len(timed.grid.block),
                depth=network.depth,
                width=network.width,
                parameters=network.parameters,
                loss=float(losses.best[index]),
                loss_low=float(losses.low[index]),
                loss_high=float(losses.high[index]),
                extrapolated=not law.covers(depth=network.depth, width=network.width, tokens=tokens),
                latency=answer if isinstance(answer, Latency) else None,
                reason=answer.reason if isinstance(answer, Failure) else None,
                within=bool(within[index]),
                best_share=float(shares[index]),
            )
            for index, (network, answer) in enumerate(zip(networks, timed.answers, strict=True))
        ),
        chosen=int(np.argmin(np.where(within, losses.best, np.inf))),
    )


class _Losses(NamedTuple):
    """Of the n candidates: by the law, its 95 % interval, and by all resamples, [B, n]."""

    best: Vector
    low: Vector
    high: Vector
    resampled: Matrix


def _losses(law: ScalingLaw, networks: Sequence[Architecture], tokens: float) -> _Losses:
    depth = np.array([float(network.depth) for network in networks])
    width = np.array([float(network.width) for network in networks])
    budget = np.full(len(networks), tokens)
    resampled = law.predict_resampled(depth, width, budget)
    low, high = np.quantile(resampled, INTERVAL, axis=0)
    return _Losses(law.predict(depth, width, budget), low, high, resampled)


def _best_shares(resampled: Matrix, within: NDArray[np.bool_]) -> Vector:
    best = np.argmin(np.where(within, resampled, np.inf), axis=1)
    return np.asarray(np.bincount(best, minlength=len(within)) / len(resampled))


def _bound(text: str, budget: Budget, found: Sequence[Latency | Failure], last: Latency | Failure) -> float:
    """The budget as a figure; ``last`` is that of the network which the budget names, if it does."""
    if isinstance(budget, Milliseconds):
        return budget.value
    if isinstance(budget, TimesFastest):
        return budget.factor * min((one.value for one in found if isinstance(one, Latency)), default=np.inf)
    if isinstance(last, Failure):
        raise InputError(f"latency budget '{text}': not measured, {last.reason}")
    return last.value


def _none_within(
    budget: str,
    bound: float,
    workload: Workload,
    networks: Sequence[Architecture],
    found: Sequence[Latency | Failure],
) -> str:
    timed = [(one.value, network) for one, network in zip(found, networks, strict=False) if isinstance(one, Latency)]
    if not timed:
        reason = next(one.reason for one in found if isinstance(one, Failure))
        return f"latency budget '{budget}': no candidate could be measured: {reason}"
    least, fastest = min(timed, key=lambda pair: pair[0])
    return (
        f"latency budget '{budget}' ({bound:.4g} {workload.unit}): none of {len(networks)} candidates meets it; the "
        f"fastest is {fastest.notation} with {least:.4g} {workload.unit}"
    )
