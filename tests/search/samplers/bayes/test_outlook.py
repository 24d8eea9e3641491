"""Expected improvements after what a study has seen, against whole searches that are drawn on paper."""

from dataclasses import replace

import numpy as np
import pytest
from bayes_cases import GENOMES, PROBLEM, TABLE, losses, observed, prospects, rows, source
from plain_process import posterior
from sampler_cases import THREE, problem_of, random_history

from nas_search.search.front import hypervolume
from nas_search.search.problem import FloatArray, SearchProblem
from nas_search.search.samplers.bayes import outlook
from nas_search.search.samplers.bayes.loss_model import features_of
from nas_search.search.samplers.bayes.observations import observe
from nas_search.search.samplers.bayes.outlook import Outlook, look_ahead

OWN, RUNNING, OTHERS = rows(10), rows(14)[10:], rows(40)[20:]
UNKNOWN = rows(256)[20:]


def looked(
    own: list[int] = OWN, running: list[int] = RUNNING, problem: SearchProblem = PROBLEM, seed: int = 0
) -> Outlook:
    return look_ahead(
        problem,
        observed(own, problem),
        [GENOMES[row] for row in running],
        prospects(OTHERS),
        np.random.default_rng(seed),
    )


def drawn_on_paper(after: Outlook, own: list[int], candidates: list[int], samples: int) -> FloatArray:
    """[m] mean hypervolume that candidates add, over joint draws of all losses, trained and running ones included."""
    surrogate = after.draws.draws.surrogate
    joint = [*own, *RUNNING, *candidates]
    x = (features_of(PROBLEM, prospects(joint)) - surrogate.low) / surrogate.span
    logs = (np.log(losses(own)) - surrogate.centre) / surrogate.scale
    noise = np.full(len(own), np.exp(surrogate.hyperparameters.noise) + 1e-6)
    mean, spread = posterior(surrogate.hyperparameters, x[: len(own)], logs, noise, x)
    rng = np.random.default_rng(0)
    factor = np.linalg.cholesky(spread + 1e-8 * np.eye(len(x)))
    drawn = np.exp(surrogate.centre + surrogate.scale * (mean + rng.standard_normal((samples, len(x))) @ factor.T))
    reference = (float(after.reference[0][0]), after.reference[1])
    latencies = TABLE.latencies[joint].tolist()
    gains = np.zeros((samples, len(candidates)))
    for sample, found in enumerate(drawn.tolist()):
        points = list(zip(latencies, found, strict=True))
        front, new = points[: -len(candidates)], points[-len(candidates) :]
        before = hypervolume(front, reference)
        gains[sample] = [hypervolume([*front, point], reference) - before for point in new]
    return gains.mean(axis=0)


def test_it_is_the_mean_over_everything_that_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """Noise of trials, losses of running ones, losses of candidates."""
    monkeypatch.setattr(outlook, "DRAWS", 2000)
    after = looked()
    promising = np.argsort(-after.improvement(prospects(UNKNOWN)))[:24:3]
    candidates = [UNKNOWN[int(index)] for index in promising]
    found = after.improvement(prospects(candidates))
    np.testing.assert_allclose(found, drawn_on_paper(after, OWN, candidates, 4000), rtol=0.1)
    assert found.max() > 2 * found.min()


def test_a_few_draws_are_enough_to_tell_good_from_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    candidates = prospects(UNKNOWN)
    few = [looked(seed=seed).improvement(candidates) for seed in range(4)]
    monkeypatch.setattr(outlook, "DRAWS", 1000)
    many = looked().improvement(candidates)
    for found in few:
        assert many[int(np.argmax(found))] > 0.7 * many.max()
        assert np.corrcoef(found, many)[0, 1] > 0.9


def test_running_members_and_those_like_them_promise_less(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others that would have gained little beside them are hardly touched."""
    monkeypatch.setattr(outlook, "DRAWS", 1000)
    candidates = prospects(UNKNOWN)
    free = looked(running=[]).improvement(candidates)
    best = int(np.argmax(free))
    row = TABLE.members.space.row(candidates[best].genome)
    taken = looked(running=[row]).improvement(candidates)
    assert taken[best] < 0.1 * free[best]
    latencies = np.array([prospect.figures[PROBLEM.goals.main.name] for prospect in candidates])
    near = np.argsort(np.abs(latencies - latencies[best]))[1:15]
    far = np.argsort(np.abs(latencies - latencies[best]))[-60:]
    assert taken[near].sum() < 0.6 * free[near].sum()
    assert taken[far].sum() > 0.8 * free[far].sum()


def test_the_reference_lies_a_little_beyond_the_worst() -> None:
    after = looked()
    slowest = TABLE.latencies[[*OWN, *RUNNING, *OTHERS]]
    assert after.reference[0] == pytest.approx([slowest.max() + 0.02 * np.ptp(slowest)])
    assert after.reference[1] == pytest.approx(losses(OWN).max() + 0.02 * np.ptp(losses(OWN)))
    alone = looked(own=OWN[:1], running=[])
    assert alone.reference[1] == pytest.approx(1.02 * losses(OWN[:1])[0])


def test_a_limit_is_the_reference() -> None:
    limited = TABLE.problem(latency_limit=5.0)
    after = looked(problem=limited, running=[])
    assert after.reference[0] == pytest.approx([5.0])
    assert len(after.known) < len(OWN)
    slow = [prospect for prospect in prospects(OTHERS) if prospect.figures[limited.goals.main.name] >= 5.0]
    assert slow and not after.improvement(slow).any()


def test_every_known_objective_has_a_coordinate() -> None:
    """Throughput counts from its limit upwards; what has a limit alone has none."""
    problem = problem_of(THREE)
    trials = random_history(problem, 12)
    seen = observe(trials, THREE, problem.space.genes)
    others = problem.members.prospects([problem.space.sample(np.random.default_rng(seed)) for seed in range(30)])
    after = look_ahead(problem, seen, (), others, np.random.default_rng(0))
    assert after.known.shape == (len(seen), 2)
    assert after.reference[0][1] == -3000
    gains = after.improvement(others)
    throughput = np.array([prospect.figures["throughput:256"] for prospect in others])
    assert (throughput <= 3000).any() and not gains[throughput <= 3000].any() and gains.max() > 0


def test_before_any_trial_runs_with_the_same_score_tell_what_is_worth_most() -> None:
    """Joint draws are of nothing then, and the other run's trials must still be learned from."""
    warm = replace(PROBLEM, prior=(source(rows(40), same_score=True),))
    candidates = rows(256)[40:]
    gains = looked(own=[], running=[], problem=warm).improvement(prospects(candidates))
    reference = (float(TABLE.latencies.max()), float(losses(range(256)).max()))
    true = [hypervolume([(float(TABLE.latencies[row]), float(TABLE.losses[row, 0]))], reference) for row in candidates]
    assert np.corrcoef(gains, true)[0, 1] > 0.9
