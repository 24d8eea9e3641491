"""The ablation that has to model latencies too."""

from dataclasses import replace

import numpy as np
from bayes_cases import GENOMES, PROBLEM, TABLE, observed, prospects, rows
from sampler_cases import sample, study_of

from nas_search.search.bench.ablations.bayes_modelled import ModelledOutlook, bayes_modelled, modelled
from nas_search.search.bench.replay import replay
from nas_search.search.front import hypervolume
from nas_search.search.problem import SearchProblem

OWN, OTHERS = rows(12), rows(256)[200:]
MAIN = PROBLEM.goals.main.name


def looked(problem: SearchProblem = PROBLEM) -> ModelledOutlook:
    return modelled(problem, observed(OWN), (), prospects(OTHERS), np.random.default_rng(0))


def test_it_is_the_mean_over_draws_of_latency_and_loss() -> None:
    outlook = looked()
    features = TABLE.members.features([GENOMES[row] for row in OTHERS[:8]])
    (latency, latency_sd), (loss, loss_sd) = outlook.latency.predict(features), outlook.loss.predict(features)
    rng = np.random.default_rng(0)
    latencies = np.exp(latency + latency_sd * rng.standard_normal((3000, 8)))
    losses = np.exp(loss + loss_sd * rng.standard_normal((3000, 8)))
    known, found = outlook.observed.known[:, 0], outlook.observed.losses
    reference = (known.max() + 0.02 * np.ptp(known), found.max() + 0.02 * np.ptp(found))
    front = list(zip(known.tolist(), found.tolist(), strict=True))
    before = hypervolume(front, reference)
    gains = [
        [hypervolume([*front, (x, y)], reference) - before for x, y in zip(latencies[:, i], losses[:, i], strict=True)]
        for i in range(8)
    ]
    drawn = np.mean(gains, axis=1)
    np.testing.assert_allclose(outlook.improvement(prospects(OTHERS[:8])), drawn, rtol=0.1, atol=0.02 * drawn.max())
    assert drawn.max() > 3 * drawn.min()


def test_it_does_not_look_at_the_latencies_of_members_that_were_not_trained() -> None:
    changed = [replace(prospect, figures={MAIN: 1000.0}) for prospect in prospects(OTHERS)]
    np.testing.assert_array_equal(looked().improvement(changed), looked().improvement(prospects(OTHERS)))


def test_it_begins_with_random_members() -> None:
    """The sampler that knows latencies begins with one in the middle quarter of them, or next to it."""
    first = [sample(study_of(PROBLEM, [], bayes_modelled(PROBLEM, seed, 0)), PROBLEM) for seed in range(40)]
    latencies = [TABLE.latencies[TABLE.members.space.row(tuple(params.values()))] for params in first]
    low, high = np.quantile(TABLE.latencies, [0.25, 0.75])
    assert min(latencies) < low and max(latencies) > high
    assert {tuple(params.values()) for params in first} <= set(GENOMES)


def test_a_whole_search_is_better_than_random_ones() -> None:
    """What it finds with 20 trainings dominates more than what random search does."""
    reference = (float(TABLE.latencies.max()), float(TABLE.losses.max()))

    def volume(sampler: str, seed: int) -> float:
        found = replay(TABLE, sampler, trials=20, seed=seed, workers=1, progress=lambda done, total: None).rows
        assert len(set(found)) == 20
        return hypervolume([(float(TABLE.latencies[row]), float(TABLE.losses[row, 0])) for row in found], reference)

    assert np.mean([volume("bayes-modelled", s) for s in range(3)]) > np.mean([volume("random", s) for s in range(3)])
