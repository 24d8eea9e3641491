"""Recall beside the loss: what is expected to be gained, against drawing both on paper."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from bayes_cases import GENOMES, PROBLEM, ROWS, TABLE, losses, prospects, rows
from optuna.trial import FrozenTrial, create_trial
from plain_process import posterior
from sampler_cases import RECALL, SPACE, Form, problem_of, propose, random_history

from nas_search.search.front import hypervolume
from nas_search.search.goals import Goals
from nas_search.search.journal import OUTCOME
from nas_search.search.problem import FloatArray, SearchProblem
from nas_search.search.samplers.base import distributions
from nas_search.search.samplers.bayes import outlook, recall_model
from nas_search.search.samplers.bayes.loss_model import features_of
from nas_search.search.samplers.bayes.observations import observe
from nas_search.search.samplers.bayes.outlook import Outlook, look_ahead
from nas_search.search.samplers.bayes.recall_model import RecallModel
from nas_search.search.samplers.bayes.recall_observations import observe_recall
from nas_search.search.samplers.bayes.surrogate import Surrogate

MAIN = PROBLEM.goals.main.name
TRADED = replace(PROBLEM, goals=Goals.stored((MAIN, "loss", "recall"), ()))
BOUND = 0.55
LIMITED = replace(PROBLEM, goals=Goals.stored((MAIN, "loss"), (f"recall>={BOUND}",)))
BOTH = replace(PROBLEM, goals=Goals.stored((MAIN, "loss", "recall"), (f"recall>={BOUND}",)))
ACCURACIES = np.clip(0.2 + 0.25 * ROWS["c"] + 0.1 * np.sin(2.0 * ROWS["b"]) - 0.05 * ROWS["a"], 0.03, 1.0).to_numpy()
OWN, RUNNING, OTHERS = rows(14), rows(18)[14:], rows(40)[20:]
UNKNOWN = rows(256)[20:]


def trained(chosen: Sequence[int], problem: SearchProblem) -> list[FrozenTrial]:
    """Rows that were trained in this order, as a search tells them."""
    return [_told(row, index, problem) for index, row in enumerate(chosen)]


def _told(row: int, index: int, problem: SearchProblem) -> FrozenTrial:
    goals, genes = problem.goals, problem.space.genes
    (prospect,) = prospects([row])
    figures = prospect.figures | {"recall": float(ACCURACIES[row])}
    return create_trial(
        values=goals.values(figures, problem.penalty_loss if goals.excess(figures) else float(losses([row])[0])),
        params={gene.name: value for gene, value in zip(genes, GENOMES[row], strict=True)},
        distributions=distributions(genes),
        user_attrs={"proposal_index": index, OUTCOME: {"recalls": {"recall": {"accuracies": [ACCURACIES[row]]}}}},
        constraints=goals.over(figures) or None,
    )


def looked(problem: SearchProblem, seed: int = 0, running: Sequence[int] = RUNNING) -> Outlook:
    seen = observe(trained(OWN, problem), problem.goals, problem.space.genes)
    return look_ahead(problem, seen, [GENOMES[row] for row in running], prospects(OTHERS), np.random.default_rng(seed))


def joint_draws(
    surrogate: Surrogate, own: Sequence[int], seen: FloatArray, joint: Sequence[int], count: int
) -> FloatArray:
    """[count, j] of what is true of ``joint`` rows after the targets that were ``seen`` of ``own`` rows."""
    x, z = ((features_of(PROBLEM, prospects(chosen)) - surrogate.low) / surrogate.span for chosen in (own, joint))
    targets = (seen - surrogate.centre) / surrogate.scale
    noise = np.full(len(own), np.exp(surrogate.hyperparameters.noise) + 1e-6)
    mean, spread = posterior(surrogate.hyperparameters, x, targets, noise, z)
    factor = np.linalg.cholesky(spread + 1e-8 * np.eye(len(z)))
    normals = np.random.default_rng(len(seen)).standard_normal((count, len(z)))
    return surrogate.centre + surrogate.scale * (mean + normals @ factor.T)


def drawn_on_paper(problem: SearchProblem, after: Outlook, candidates: list[int], samples: int) -> FloatArray:
    """[m] mean hypervolume that candidates add, over joint draws of all losses and of all recall."""
    goals = problem.goals
    seen = observe_recall(trained(OWN, problem), goals, problem.space.genes)
    (of_recall,) = RecallModel.fit(problem, seen).surrogates
    feasible = [row for row in OWN if not goals.excess({MAIN: 0.0, "recall": ACCURACIES[row]})]
    members, joint = len(feasible) + len(RUNNING), [*feasible, *RUNNING, *candidates]
    log_losses = joint_draws(after.draws.draws.surrogate, feasible, np.log(losses(feasible)), joint, samples)
    recall = np.clip(joint_draws(of_recall, OWN, ACCURACIES[OWN], joint, samples), 0.0, 1.0)
    bounds, worst = after.reference
    traded, reference = len(goals.objectives) == 3, (float(bounds[0]), worst, *bounds[1:].tolist())
    kept = recall >= BOUND if goals.limits else np.ones_like(recall, dtype=bool)
    if not traded:
        kept[:, : len(feasible)] = True  # these were seen to keep the limit, and their recall is no coordinate
    gains = np.zeros((samples, len(candidates)))
    for sample in range(samples):
        columns = [TABLE.latencies[joint], np.exp(log_losses[sample]), -recall[sample]][: 2 + traded]
        points = [tuple(point) for point in np.column_stack(columns).tolist()]
        front = [point for point, inside in zip(points[:members], kept[sample], strict=False) if inside]
        before = hypervolume(front, reference)
        for place in range(len(candidates)):
            if kept[sample, members + place]:
                gains[sample, place] = hypervolume([*front, points[members + place]], reference) - before
    return gains.mean(axis=0)


@pytest.mark.parametrize("problem", [TRADED, LIMITED, BOTH], ids=["objective", "limit", "both"])
def test_it_is_the_mean_over_everything_that_is_open(problem: SearchProblem, monkeypatch: pytest.MonkeyPatch) -> None:
    """Losses and recall, of trained members, of running ones and of candidates."""
    monkeypatch.setattr(outlook, "DRAWS", 500)
    after = looked(problem)
    promising = np.argsort(-after.improvement(prospects(UNKNOWN)))[:21:3]
    candidates = [UNKNOWN[int(index)] for index in promising]
    found = after.improvement(prospects(candidates))
    np.testing.assert_allclose(found, drawn_on_paper(problem, after, candidates, 1500), rtol=0.15)
    assert found.max() > 1.5 * found.min()


@pytest.mark.parametrize("problem", [TRADED, LIMITED], ids=["objective", "limit"])
def test_a_few_draws_are_enough_to_tell_good_from_bad(problem: SearchProblem, monkeypatch: pytest.MonkeyPatch) -> None:
    candidates = prospects(UNKNOWN)
    few = [looked(problem, seed).improvement(candidates) for seed in range(4)]
    monkeypatch.setattr(outlook, "DRAWS", 200)
    many = looked(problem).improvement(candidates)
    for found in few:
        assert many[int(np.argmax(found))] > 0.7 * many.max()
        assert np.corrcoef(found, many)[0, 1] > 0.9


def test_more_strata_do_not_move_the_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlook, "DRAWS", 300)
    candidates = prospects(UNKNOWN[:40])
    few = looked(TRADED).improvement(candidates)
    monkeypatch.setattr(recall_model, "NODES", 32)
    np.testing.assert_allclose(looked(TRADED).improvement(candidates), few, rtol=0.1, atol=0.02 * few.max())


def test_limits_on_recall_are_kept_with_a_probability() -> None:
    """Between draws and the truth: what recalls more keeps the limit more likely; what was seen is nearly certain."""
    seen = observe_recall(trained(OWN, LIMITED), LIMITED.goals, LIMITED.space.genes)
    chances = RecallModel.fit(LIMITED, seen).chance_within(prospects(UNKNOWN))
    assert (chances >= 0).all() and (chances <= 1).all()
    keeps = ACCURACIES[UNKNOWN] >= BOUND
    assert chances[keeps].mean() > 0.8 and chances[~keeps].mean() < 0.2
    certain = RecallModel.fit(LIMITED, seen).chance_within(prospects(OWN))
    clear = np.abs(ACCURACIES[OWN] - BOUND) > 0.1
    assert ((certain > 0.5) == (ACCURACIES[OWN] >= BOUND))[clear].all()


def test_all_alike_leaves_others_open() -> None:
    """That four recalled everything says little of the others: no chance is zero or one."""
    genes = SPACE.genes
    problem = problem_of(Goals.stored(("decode:256", "loss"), ("recall>=0.9",)))
    rng = np.random.default_rng(0)
    trials = [_recalling(problem, index, accuracy=1.0) for index in range(4)]
    seen = observe_recall(trials, problem.goals, genes)
    others = problem.members.prospects([SPACE.sample(rng) for _ in range(50)])
    chances = RecallModel.fit(problem, seen).chance_within(others)
    assert chances.min() > 0.3 and chances.min() < 0.995


def _recalling(problem: SearchProblem, index: int, *, accuracy: float) -> FrozenTrial:
    (trial,) = random_history(problem, 1, seed=index)
    trial.set_user_attr(OUTCOME, {"recalls": {"recall": {"accuracies": [accuracy]}}})
    return trial


def test_trials_over_a_limit_and_failed_ones_tell_nothing_of_recall() -> None:
    problem = problem_of(RECALL)
    trials = random_history(problem, 20)
    seen = observe_recall(trials, RECALL, problem.space.genes)
    over = [trial for trial in trials if trial.constraints["decode:256"] > 0]
    assert over and len(seen) == len({tuple(trial.params.values()) for trial in trials}) - len(over)
    assert seen.accuracies.shape[1] == 2 and (seen.accuracies > 0).all()
    below = [trial for trial in trials if trial.constraints["needle:64"] > 0 and trial not in over]
    assert below and len(observe(trials, RECALL, problem.space.genes)) == len(seen) - len(below)


def test_a_hard_limit_on_recall_is_found() -> None:
    """Before enough members keep it, those are proposed that most likely do."""
    goals = Goals.stored(("decode:256", "loss"), ("recall>=0.93",))
    problem = problem_of(goals)
    trials = random_history(problem, 12, seed=4)
    feasible = sum(all(share <= 0 for share in trial.constraints.values()) for trial in trials)
    assert feasible < 4
    form = Form("bayes")
    seen = observe_recall(trials, goals, problem.space.genes)
    model = RecallModel.fit(problem, seen)
    proposed = problem.members.prospects([propose(form, problem, trials, index=12, seed=seed) for seed in range(8)])
    at_random = problem.members.prospects([SPACE.sample(np.random.default_rng(seed)) for seed in range(64)])
    assert model.chance_within(proposed).mean() > model.chance_within(at_random).mean()
