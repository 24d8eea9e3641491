"""The known-latency Bayesian sampler: the figures of any member are known, so only its loss is modelled.

It proposes the member that is expected to add most hypervolume to the front.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from nas_search.search.front import ranks
from nas_search.search.problem import FloatArray, Prospect, SearchProblem
from nas_search.search.samplers.base import GenomeSampler, History
from nas_search.search.samplers.bayes.candidates import RANDOM, mutated, new_prospects, random_members, relatives
from nas_search.search.samplers.bayes.observations import Observations, observe
from nas_search.search.samplers.bayes.outlook import look_ahead
from nas_search.search.samplers.bayes.recall_model import RecallModel
from nas_search.space.genome import Genome

START = 4
"""So many members that are spread over latency come first, unless there are other runs to learn from."""
ROUNDS, PARENTS, CHILDREN = 2, 8, 8
"""So often the most promising members, so many of them, get so many mutations each that are looked at too."""
LIKELY = 0.1
"""Before enough members keep the limits on recall, so many of those that might be proposed are."""
_ORDER = (0.5, 0.0, 0.75, 0.25)
"""Shares of the members, by latency, below those from which the first ones are drawn: middle, fast, slow, between."""


class Judge(Protocol):
    """Says what members are worth."""

    def improvement(self, prospects: Sequence[Prospect]) -> FloatArray:
        """[m], the more the better."""


LookAhead = Callable[[SearchProblem, Observations, Sequence[Genome], Sequence[Prospect], np.random.Generator], Judge]
"""What to expect after what was observed and what runs; the prospects are those to choose from."""


class KnownLatencySampler(GenomeSampler):
    """Made anew for every proposal, from the study's history and a generator alone."""

    def __init__(self, problem: SearchProblem, rng: np.random.Generator, look_ahead: LookAhead = look_ahead) -> None:
        super().__init__(problem.space, rng)
        self.problem, self._look_ahead = problem, look_ahead

    def choose(self, history: History) -> Genome:
        """The most promising member; while there is little to learn from, one of a latency that was not seen yet."""
        observed = observe(history.complete, self.problem.goals, self.space.genes)
        running, taken = history.running, history.taken
        elsewhere = [genome for source in self.problem.prior for genome in source.genomes]
        fresh = [*elsewhere, *random_members(self.space, RANDOM, self.rng)]
        if not self._can_model(observed, len(elsewhere)):
            prospects = self._within(new_prospects([*fresh, *self._recalling(observed)], self.problem, taken))
            return self._spread(self._likely(prospects, observed), len(observed) + len(running))
        family = relatives(_leaders(observed), self.space, self.rng)
        prospects = self._within(new_prospects([*fresh, *family], self.problem, taken))
        if not prospects:
            return self.space.sample(self.rng)
        return self._best(prospects, self._look_ahead(self.problem, observed, running, prospects, self.rng), taken)

    def _can_model(self, observed: Observations, elsewhere: int) -> bool:
        """Whether there is enough to learn from; other runs tell nothing of recall."""
        recall = not self.problem.goals.recalls or (len(observed) > 0 and len(observed.recalls) >= START)
        return recall and len(observed) + elsewhere >= START

    def _recalling(self, observed: Observations) -> list[Genome]:
        """Relatives of the members that recall most, as long as too few of them keep the limits on it."""
        if not self._limits_recall or len(observed.recalls) < START:
            return []
        order = np.argsort(-observed.recalls.accuracies.mean(axis=1), kind="stable")[:START]
        return relatives([observed.recalls.genomes[index] for index in order], self.space, self.rng)

    def _likely(self, prospects: list[Prospect], observed: Observations) -> list[Prospect]:
        """The share LIKELY of them that most likely keeps the limits on recall; all as long as nothing is known."""
        if not self._limits_recall or len(observed.recalls) < START:
            return prospects
        chances = RecallModel.fit(self.problem, observed.recalls).chance_within(prospects)
        order = np.argsort(-chances, kind="stable")[: max(1, round(LIKELY * len(prospects)))]
        return [prospects[index] for index in order]

    @property
    def _limits_recall(self) -> bool:
        return any(limit.quantity.is_recall for limit in self.problem.goals.limits)

    def _within(self, prospects: Sequence[Prospect]) -> list[Prospect]:
        """Those within all limits, or else the one that misses them least."""
        excess = [self.problem.goals.excess(prospect.figures) for prospect in prospects]
        inside = [prospect for prospect, share in zip(prospects, excess, strict=True) if not share]
        return inside or [prospects[index] for index in np.argsort(excess, kind="stable")[:1]]

    def _spread(self, prospects: Sequence[Prospect], turn: int) -> Genome:
        """A member of that part of the latencies whose ``turn`` it is."""
        if not prospects:
            return self.space.sample(self.rng)
        ordered = sorted(prospects, key=self.problem.latency)
        share = _ORDER[turn % START] + self.rng.random() / START
        return ordered[int(share * len(ordered))].genome

    def _best(self, prospects: list[Prospect], outlook: Judge, taken: set[Genome]) -> Genome:
        """The one with the greatest expected improvement among ``prospects`` and relatives of the best of them."""
        scores = outlook.improvement(prospects)
        for _ in range(ROUNDS):
            best = np.argsort(-scores, kind="stable")[:PARENTS]
            children = [mutated(prospects[i].genome, self.space, self.rng) for i in best for _ in range(CHILDREN)]
            known = taken | {prospect.genome for prospect in prospects}
            more = [one for one in new_prospects(children, self.problem, known) if self._is_within(one)]
            if more:
                prospects, scores = prospects + more, np.append(scores, outlook.improvement(more))
        return prospects[int(np.argmax(scores))].genome

    def _is_within(self, prospect: Prospect) -> bool:
        return not self.problem.goals.excess(prospect.figures)


def _leaders(observed: Observations) -> list[Genome]:
    """Members of the front and of the front behind it."""
    points = np.insert(observed.known, 1, observed.losses, axis=1)
    return [genome for genome, rank in zip(observed.genomes, ranks(points.tolist()), strict=True) if rank < 2]
