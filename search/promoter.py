"""Decides for one search who goes up, by what was known at the right moment."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from nas_search.search.config import SearchConfig
from nas_search.search.evidence import Evidence, Standing
from nas_search.search.journal import Candidate
from nas_search.search.learning_curves import Forecast
from nas_search.search.problem import SearchProblem
from nas_search.search.promotion import goes_up
from nas_search.search.rungs import Ladder
from nas_search.search.samplers.base import genome_of


class Promoter:
    """A view of the trials that were told: a new one that is told the same decides the same.

    In a deterministic search with W workers a decision on proposal n looks at proposals 0 to n - W, like the proposal
    itself; otherwise at all that were told by then.
    """

    def __init__(self, problem: SearchProblem, ladder: Ladder, config: SearchConfig) -> None:
        self._problem, self._seed = problem, config.seed
        self._delay = config.worker_count if config.deterministic else None
        self._none = Evidence.none(ladder.work(config.recipe.decay_share), problem.members.features([]).shape[1])
        self._told = 0
        self._latest = deque([self._none], maxlen=self._delay or 1)

    def told(self, candidate: Candidate, losses: Sequence[float]) -> None:
        """A trial was told, with its losses at the rungs that it reached; in a deterministic search the next one."""
        evidence = self._latest[-1]
        if losses:
            evidence = evidence.with_trial(self._standing(candidate, losses))
        self._latest.append(evidence)
        self._told += 1

    def stop(self, candidate: Candidate, losses: Sequence[float], proposal_index: int) -> Forecast | None:
        """What a candidate below the top would reach there, if it stops; None if it goes up."""
        standing, evidence = self._standing(candidate, losses), self._evidence_for(proposal_index)
        if goes_up(standing, evidence, seed=self._seed, proposal_index=proposal_index):
            return None
        return evidence.curves.at_top(standing.losses, standing.features)

    def _evidence_for(self, proposal_index: int) -> Evidence:
        if self._delay is None:
            return self._latest[-1]
        known = proposal_index - self._delay + 1
        return self._latest[known - self._told - 1] if known > 0 else self._none

    def _standing(self, candidate: Candidate, losses: Sequence[float]) -> Standing:
        genome = genome_of(candidate.genome, self._problem.space.genes)
        (features,) = self._problem.members.features([genome])
        return Standing(
            known=self._problem.goals.known_point(candidate.figures),
            losses=tuple(losses),
            features=features,
            parameters=candidate.parameters,
        )
