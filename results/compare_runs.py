"""Several runs held against each other: fronts in one plane, and hypervolume at equal cost.

Losses compare if text, tokenizer, training recipe and tokens are the same; latencies if the device is too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from nas_search.errors import InputError
from nas_search.results.progress import Step, hypervolume_steps
from nas_search.search.front import LOSS_COORDINATE, Point
from nas_search.search.rungs import Ladder

if TYPE_CHECKING:
    from nas_search.search.goals import Goals
    from nas_search.search.study import Facts, Study
    from nas_search.search.trial import TrialRecord


class Cost(NamedTuple):
    """What a search has spent on training: tokens, or seconds summed over workers."""

    name: str
    unit: str
    of: Callable[[Step], float]


TOKENS = Cost("tokens", "trained tokens", lambda step: float(step.tokens))
SECONDS = Cost("seconds", "seconds of training", lambda step: step.seconds)
COSTS = (TOKENS, SECONDS)


@dataclass(frozen=True, eq=False)
class Run:
    """One of the runs. ``name`` is its directory as it was given."""

    name: str
    study: Study

    @property
    def facts(self) -> Facts:
        """What the study was begun with."""
        if self.study.facts is None:
            raise InputError(f"{self.name}: the search has not begun, there is nothing to compare yet")
        return self.study.facts

    @cached_property
    def records(self) -> list[TrialRecord]:
        """All trials."""
        return self.study.records()

    @cached_property
    def front(self) -> list[TrialRecord]:
        """The front as searched."""
        return self.study.front()

    @property
    def work(self) -> tuple[float, ...]:
        """Tokens that each rung trains after the one below."""
        config = self.study.config
        return Ladder.build(config.tokens, config.lowest_rung).work(config.recipe.decay_share)

    @property
    def trained(self) -> int:
        """Trials that were trained here."""
        return sum(record.trained_here for record in self.records)

    @property
    def lowest_loss(self) -> TrialRecord | None:
        """The member of the front with the lowest loss."""
        return min(self.front, key=lambda record: self.study.goals.point(record)[LOSS_COORDINATE], default=None)


@dataclass(frozen=True, eq=False)
class RunComparison:
    """Runs with the same question. ``reference`` is the point that all hypervolumes go up to, common to them.

    ``warnings`` say what to keep in mind. Without ``same_device`` only losses compare, and there are no hypervolumes.
    """

    runs: tuple[Run, ...]
    reference: Point
    same_device: bool
    warnings: tuple[str, ...]

    @classmethod
    def of(cls, runs: Sequence[Run]) -> RunComparison:
        """Raises InputError, in one line, for fewer than two runs, a run given twice, and runs that do not compare."""
        if len(runs) < 2:
            raise InputError("compare-runs: give two runs or more")
        _refuse_twice(runs)
        for run in runs[1:]:
            _require_same(runs[0], run)
        points = [run.study.reference() for run in runs]
        reference = tuple(max(coordinates) for coordinates in zip(*points, strict=True))
        same_device = len({run.study.table.device.id for run in runs}) == 1
        return cls(tuple(runs), reference, same_device, tuple(_warnings(runs, same_device=same_device)))

    @property
    def goals(self) -> Goals:
        """Those of the first run; the others have the same objectives."""
        return self.runs[0].study.goals

    @cached_property
    def steps(self) -> dict[str, list[Step]]:
        """How each front grew, by run."""
        return {run.name: hypervolume_steps(run.records, self.goals, self.reference, run.work) for run in self.runs}

    def equal_cost(self, cost: Cost) -> float:
        """What the cheapest of the runs has spent in all."""
        return min((cost.of(steps[-1]) if steps else 0.0 for steps in self.steps.values()), default=0.0)

    def at(self, run: Run, cost: Cost) -> float:
        """The hypervolume of a run when it had spent as much as the cheapest one in all."""
        limit = self.equal_cost(cost)
        reached = (step.hypervolume for step in self.steps[run.name] if cost.of(step) <= limit)
        return max(reached, default=0.0)

    def at_end(self, run: Run) -> float:
        """The hypervolume of a run's whole front."""
        steps = self.steps[run.name]
        return steps[-1].hypervolume if steps else 0.0


def _refuse_twice(runs: Sequence[Run]) -> None:
    paths = [run.study.run_dir.resolve() for run in runs]
    twice = next((run.name for run, path in zip(runs, paths, strict=True) if paths.count(path) > 1), None)
    if twice is not None:
        raise InputError(f"{twice}: given twice")


def _require_same(first: Run, other: Run) -> None:
    """What losses and objectives are about must be the same."""
    questions: tuple[tuple[str, Callable[[Run], object]], ...] = (
        ("objectives", lambda run: ", ".join(run.facts.objectives)),
        ("text (corpus hash)", lambda run: run.facts.corpus),
        ("tokenizer", lambda run: run.study.config.tokenizer),
        ("tokens of the top rung", lambda run: run.study.config.tokens),
        ("training recipe", lambda run: run.study.config.recipe),
        ("training on recall", lambda run: run.study.config.recall if run.study.goals.recalls else None),
        ("twins", lambda run: run.facts.twins),
    )
    for name, asked in questions:
        mine, theirs = asked(first), asked(other)
        if mine != theirs:
            raise InputError(
                f"{first.name} and {other.name} do not compare: {name} {_short(mine)} against {_short(theirs)}"
            )


def _short(value: object) -> str:
    text = " ".join(str(value).split()) if value is not None else "none"
    return text if len(text) <= 80 else f"{text[:77]}..."


def _warnings(runs: Sequence[Run], *, same_device: bool) -> list[str]:
    found = []
    if not same_device:
        devices = "; ".join(f"{run.name}: {run.study.table.device.id}" for run in runs)
        found.append(f"devices differ ({devices}), so latencies do not compare: only losses do")
    elif len({run.facts.table for run in runs}) > 1:
        found.append("latencies are predicted by different tables of one device: small differences may be theirs")
    if len({run.facts.limits for run in runs}) > 1:
        limits = "; ".join(f"{run.name}: {', '.join(run.facts.limits) or 'none'}" for run in runs)
        found.append(f"limits differ ({limits}): a tighter one leaves out a part of the common hypervolume")
    if len({run.facts.space for run in runs}) > 1:
        found.append("search spaces differ")
    versions = [tuple(sorted(run.facts.versions.items())) for run in runs]
    if len(set(versions)) > 1:
        found.append("versions differ")
    if any(record.reused for run in runs for record in run.records):
        found.append("a warm-started run has losses that it did not pay for")
    found += [f"{run.name}: still running, or unfinished" for run in runs if _unfinished(run)]
    found.append("fronts are as searched: each is the best of many noisy scores with one seed")
    return found


def _unfinished(run: Run) -> bool:
    return run.study.running or any(record.state == "running" for record in run.records)
