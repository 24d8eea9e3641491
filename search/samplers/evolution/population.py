"""Who is alive: the youngest of the trials that were told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from optuna.trial import FrozenTrial

from nas_search.search.front import Point
from nas_search.search.goals import Goals
from nas_search.search.samplers.base import genome_of
from nas_search.space.genome import Gene, Genome


class Member(NamedTuple):
    """A living trial. Ages are proposal indices, so that a trial which finishes late is no younger for it.

    ``traded`` are the coordinates of the objectives without a limit, ``excess`` the shares by which limits are
    missed, added.
    """

    genome: Genome
    traded: Point
    excess: float
    age: int


def population(
    trials: Sequence[FrozenTrial], goals: Goals, genes: Sequence[Gene], *, size: int, cycle: int
) -> list[Member]:
    """The ``size`` youngest of the completed ``trials``, oldest first; nobody before there are as many.

    It changes after every ``cycle`` trials: all children of a cycle have their parents from the same population.
    """
    told = sorted(trials, key=_age)
    if len(told) < size:
        return []
    whole = len(told) - (len(told) - size) % cycle
    return [_member(trial, goals, genes) for trial in told[whole - size : whole]]


def _member(trial: FrozenTrial, goals: Goals, genes: Sequence[Gene]) -> Member:
    excess = sum(share for share in trial.constraints.values() if share > 0)
    return Member(genome_of(trial.params, genes), goals.unlimited(trial.values), excess, _age(trial))


def _age(trial: FrozenTrial) -> int:
    """The proposal index where there is one: a trial that was queued again keeps its age."""
    return int(trial.user_attrs.get("proposal_index", trial.number))
