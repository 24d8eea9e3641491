"""Depth and width that a scaling law chose, and the space that is left for the operators."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from nas_search.errors import InputError, first_problem
from nas_search.proxies.scaling_law import HeldOut, ScalingLaw
from nas_search.space.blocks import block_length, ratio_counts
from nas_search.space.genome import FfnPolicy
from nas_search.space.search_space import SearchSpace

if TYPE_CHECKING:
    from nas_search.search.depth_width import Choice


class ChosenShape(BaseModel):
    """Depth and width of ``architecture``, of which the law predicts the lowest loss within the budget.

    ``loss`` comes with its 95 % bootstrap interval, and is ``loss_name`` after ``tokens`` of training. Latency and
    budget are in ``unit``. ``within`` counts the ``candidates`` that meet the budget, and ``best_share`` is the share
    of the law's resamples by which none of them is better. ``held_out`` has the errors of the law, fitted on ``rows``
    losses of ``source``, on networks and budgets that it had not seen.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    depth: int
    width: int
    architecture: str
    latency: float
    budget: float
    unit: str
    loss: float
    loss_low: float
    loss_high: float
    loss_name: str
    tokens: float
    extrapolated: bool
    best_share: float
    candidates: int
    within: int
    source: str
    rows: int
    held_out: tuple[HeldOut, ...]

    @classmethod
    def of(cls, choice: Choice, law: ScalingLaw) -> ChosenShape:
        """What a choice came to."""
        winner = choice.winner
        assert winner.latency is not None
        return cls(
            depth=winner.depth,
            width=winner.width,
            architecture=winner.architecture,
            latency=winner.latency.value,
            budget=choice.budget,
            unit=choice.unit,
            loss=winner.loss,
            loss_low=winner.loss_low,
            loss_high=winner.loss_high,
            loss_name=law.loss,
            tokens=choice.tokens,
            extrapolated=winner.extrapolated,
            best_share=winner.best_share,
            candidates=len(choice.candidates),
            within=sum(candidate.within for candidate in choice.candidates),
            source=law.source,
            rows=law.rows,
            held_out=law.held_out,
        )

    def __str__(self) -> str:
        return f"depth {self.depth}, width {self.width}"

    @property
    def facts(self) -> tuple[str, str, str]:
        """What was chosen, what is predicted for it, and how far the law can be trusted: a line each."""
        outside = ", outside of the law's data" if self.extrapolated else ""
        errors = [f"{held.rule}: {held.error}" for held in self.held_out if held.error is not None]
        return (
            f"depth at most {self.depth} and width {self.width} come from a scaling law",
            f"{self.architecture}, {self.latency:.4g} of at most {self.budget:.4g} {self.unit}: {self.loss_name} "
            f"{self.loss:.4f} [{self.loss_low:.4f}, {self.loss_high:.4f}] predicted after {self.tokens:,.0f} "
            f"tokens{outside}, the lowest of {self.within} shapes within the budget (of {self.candidates}) by "
            f"{self.best_share:.0%} of the law's resamples",
            f"law of {self.source} ({self.rows} losses); error held out: {'; '.join(errors) or 'not known'}",
        )

    def second_stage(self, space: SearchSpace) -> SearchSpace:
        """The space in which the operators are searched for."""
        return second_stage(space, depth=self.depth, width=self.width)


def second_stage(space: SearchSpace, *, depth: int, width: int) -> SearchSpace:
    """The space with one width and at most so many operators.

    Ratios and FFN policies that make longer blocks are left out: as few of them as will do. Raises InputError if all
    blocks are longer.
    """
    ratios, ffns = _that_fit(space, depth)
    changes = {
        "name": f"{space.name}-w{width}-d{depth}",
        "widths": [width],
        "max_operators": depth,
        "ratios": ratios or space.ratios,
        "ffns": ffns or space.ffns,
    }
    try:
        return SearchSpace.model_validate({**space.model_dump(mode="json"), **changes})
    except ValidationError as error:
        raise InputError(f"space {space.name} with width {width}: {first_problem(error)}") from None


def shortest_block(space: SearchSpace) -> int:
    """Operators of the space's shortest block."""
    return min(block_length(ratio, ffn) for ratio in space.ratios for ffn in space.ffns)


def _that_fit(space: SearchSpace, depth: int) -> tuple[tuple[str, ...], tuple[FfnPolicy, ...]]:
    """Ratios and FFN policies none of whose blocks is longer than ``depth``: the most combinations of both."""
    kept = [
        (
            tuple(ratio for ratio in space.ratios if sum(ratio_counts(ratio)) <= sum(ratio_counts(longest))),
            tuple(ffn for ffn in space.ffns if block_length(longest, ffn) <= depth),
        )
        for longest in space.ratios
    ]
    return max(kept, key=lambda pair: len(pair[0]) * len(pair[1]))
