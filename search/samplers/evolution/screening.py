"""Who of several children is proposed: the most promising one by a model of the loss."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nas_search.search.goals import Goals
from nas_search.search.problem import FloatArray, Prospect, SearchProblem
from nas_search.search.samplers.base import History
from nas_search.search.samplers.bayes.loss_model import features_of
from nas_search.search.samplers.bayes.observations import observe
from nas_search.search.samplers.bayes.outlook import Outlook, look_ahead


def most_promising(
    children: Sequence[Prospect], history: History, problem: SearchProblem, rng: np.random.Generator
) -> Prospect:
    """The child with the greatest expected hypervolume improvement; its figures are known, its loss is modelled.

    Where limits leave only the loss to compare it is the one with the lowest expected loss, as in the tournaments.
    Before anything was trained it is the first one.
    """
    observed = observe(history.complete, problem.goals, problem.space.genes)
    if not len(observed):
        return children[0]
    outlook = look_ahead(problem, observed, history.running, children, rng)
    if _only_loss(problem.goals):
        return children[int(np.argmin(_log_losses(outlook, children)))]
    return children[int(np.argmax(outlook.improvement(children)))]


def _only_loss(goals: Goals) -> bool:
    limited = {limit.quantity for limit in goals.limits}
    return len(set(goals.objectives) - limited) == 1


def _log_losses(outlook: Outlook, children: Sequence[Prospect]) -> FloatArray:
    means, _ = outlook.draws.elsewhere(features_of(outlook.problem, children))
    expected: FloatArray = means.mean(axis=0)
    return expected
