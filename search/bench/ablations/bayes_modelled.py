"""The Bayesian sampler without its knowledge of latencies: an ablation, to see what knowing them is worth.

The loss is modelled as in the search's own sampler, but without the latency among the features. The latency is a
second Gaussian process on the same features, of those that were seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from optuna.samplers import BaseSampler

from nas_search.search.front import beyond_worst
from nas_search.search.problem import FloatArray, Prospect, SearchProblem
from nas_search.search.samplers.bayes.improvement import Front, expected_hypervolume_improvement
from nas_search.search.samplers.bayes.observations import Observations
from nas_search.search.samplers.bayes.outlook import MARGIN
from nas_search.search.samplers.bayes.sampler import KnownLatencySampler
from nas_search.search.samplers.bayes.surrogate import Surrogate, fit_surrogate
from nas_search.space.genome import Genome

NODES = 7
"""Of the Gauss-Hermite rule by which latencies are averaged over."""


@dataclass(frozen=True)
class ModelledOutlook:
    """Expected hypervolume improvement where latency and loss are both models."""

    problem: SearchProblem
    observed: Observations
    latency: Surrogate
    loss: Surrogate

    def improvement(self, prospects: Sequence[Prospect]) -> FloatArray:
        """[m], averaged over the latency."""
        features = self.problem.members.features([prospect.genome for prospect in prospects])
        (latency, latency_sd), (mean, sd) = self.latency.predict(features), self.loss.predict(features)
        places, weights = np.polynomial.hermite_e.hermegauss(NODES)
        front = Front(self.observed.known, self.observed.losses)
        reference = (beyond_worst(self.observed.known, MARGIN), float(beyond_worst(self.observed.losses, MARGIN)))
        gains = [
            weight
            * expected_hypervolume_improvement(
                np.exp(latency + place * latency_sd)[:, None], mean, sd, front, reference
            )
            for place, weight in zip(places, weights / weights.sum(), strict=True)
        ]
        total: FloatArray = np.sum(gains, axis=0)
        return total


class BayesModelledLatency(KnownLatencySampler):
    """Begins with random members, since it does not know which latencies were not seen yet."""

    def _spread(self, prospects: Sequence[Prospect], turn: int) -> Genome:
        return prospects[int(self.rng.integers(len(prospects)))].genome if prospects else self.space.sample(self.rng)


def modelled(
    problem: SearchProblem,
    observed: Observations,
    running: Sequence[Genome],
    others: Sequence[Prospect],
    rng: np.random.Generator,
) -> ModelledOutlook:
    """The outlook after what was observed; trials that run are left out."""
    features = problem.members.features(observed.genomes)
    exact = np.zeros(len(observed))
    return ModelledOutlook(
        problem,
        observed,
        latency=fit_surrogate(features, np.log(observed.known[:, 0]), exact),
        loss=fit_surrogate(features, np.log(observed.losses), exact),
    )


def bayes_modelled(problem: SearchProblem, seed: int, proposal_index: int) -> BaseSampler:
    """The sampler of one proposal."""
    return BayesModelledLatency(problem, np.random.default_rng([seed, proposal_index]), modelled)
