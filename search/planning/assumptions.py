"""What a plan takes for granted, said plainly."""

from __future__ import annotations

from nas_search.search.planning.plan_input import PlanInput
from nas_search.search.planning.training_model import TrainingModel


def assumptions(given: PlanInput, sampler: str, model: TrainingModel) -> tuple[str, ...]:
    """One sentence each; ``sampler`` is who proposes in the simulation."""
    return (
        _rates(given, model),
        *_outside(given, model),
        "losses at a rung are those that recorded trainings had at the same share of the top rung's tokens",
        _sampler(given, sampler),
        *_left_out(given),
        "with other numbers of workers the same candidates are proposed",
        "no worker fails, none joins or leaves, and none waits for data",
    )


def _rates(given: PlanInput, model: TrainingModel) -> str:
    rate = f"{model.mean_tokens_per_second:,.0f} tokens/s"
    if given.tokens_per_second is not None:
        return (
            f"a random member of the space trains at {rate} on one worker: a figure that was given, not measured; how "
            f"members differ, and all else that takes time, is as in {given.rates.source}"
        )
    return f"training goes as in {given.rates.source}: a random member of the space at {rate}"


def _outside(given: PlanInput, model: TrainingModel) -> list[str]:
    if model.outside < 0.05 or given.tokens_per_second is not None:
        return []
    return [f"{model.outside:.0%} of the space's members cost more or less than any recorded one: extrapolated"]


def _sampler(given: PlanInput, sampler: str) -> str:
    name = given.config.sampler
    timed = f"the driver takes the recorded time of {name} for a proposal, beside the workers"
    if sampler == name:
        return timed
    return f"{timed}; candidates are those of {sampler}, since simulating {name} would take minutes"


def _left_out(given: PlanInput) -> list[str]:
    config = given.config
    recall_may_be_in = (*config.objectives, *config.limits, *config.columns)
    found = [
        name
        for name, there in (
            ("limits, over which nothing is trained", config.limits or config.latency_budget),
            ("further objectives", config.objectives),
            ("trainings on recall", any("recall" in text for text in recall_may_be_in)),
            ("the law of two stages and the narrower space after it", config.two_stage),
            ("what other runs found", config.warm_start),
        )
        if there
    ]
    widest = ["widths that would follow from a limit are the widest"] if given.space.width == "derived" else []
    return [*([f"left out: {', '.join(found)}"] if found else []), *widest]
