"""What a model of trainings says of networks, recorded and other ones."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from nas_search.proxies.recipe import TrainingRecipe
from nas_search.search.planning.rates import recorded_rates
from nas_search.search.planning.training_model import Line, TrainingModel
from nas_search.space.architecture import Architecture
from nas_search.space.search_space import SearchSpace, load_space

RECIPE = TrainingRecipe.model_validate({})


def itself(architecture: Architecture) -> Architecture:
    return architecture


@cache
def members(space: str) -> list[Architecture]:
    return load_space(space).sample_architectures(100, seed=7)


def model(space: str = "cpu", tokens_per_second: float | None = None) -> TrainingModel:
    loaded: SearchSpace = load_space(space)
    return TrainingModel(recorded_rates(), loaded, itself, RECIPE, tokens_per_second=tokens_per_second)


def seconds(found: TrainingModel, networks: list[Architecture]) -> np.ndarray:
    return np.array([found.seconds_per_token(one, one.fingerprint) for one in networks])


def test_a_line_with_many_rows_finds_the_weights_that_made_them() -> None:
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(500, 2))
    line = Line.fit(inputs, (3 + inputs @ [2.0, -1.0])[:, None])
    assert line.weights.ravel() == pytest.approx([2, -1], abs=0.01)
    assert line.at(inputs[4], 4) == pytest.approx([3 + inputs[4] @ [2.0, -1.0]])


def test_two_rows_hardly_move_a_line() -> None:
    line = Line.fit(np.array([[-0.1], [0.1]]), np.array([[-5.0], [5.0]]))
    assert abs(line.weights[0, 0]) < 1.5  # the slope between them is 50


def test_random_members_take_what_recorded_ones_did() -> None:
    rates, found = recorded_rates(), model()
    logs = np.log(seconds(found, members("cpu")))
    assert logs.mean() == pytest.approx(np.log(rates.seconds_per_token).mean(), abs=0.25)
    assert logs.std() == pytest.approx(np.log(rates.seconds_per_token).std(), rel=0.25)
    assert found.outside < 0.05
    top = [found.loss(one, one.fingerprint, 1.0) for one in members("cpu")]
    assert np.mean(top) == pytest.approx(rates.losses[:, -1].mean(), abs=0.1)


def test_curves_fall_and_costs_rise_with_size() -> None:
    found = model()
    costs = np.array([one.flops(128) for one in members("cpu")])
    assert np.corrcoef(np.log(costs), np.log(seconds(found, members("cpu"))))[0, 1] > 0.7
    falls = [found.loss(one, one.fingerprint, 1 / 9) > found.loss(one, one.fingerprint, 1.0) for one in members("cpu")]
    assert np.mean(falls) > 0.95


def test_a_rate_that_is_given_is_that_of_the_mean_member() -> None:
    found = model("paper", 20_000.0)
    each = seconds(found, load_space("paper").sample_architectures(256, seed=0))
    assert 1 / each.mean() == pytest.approx(20_000)
    assert found.mean_tokens_per_second == 20_000
    assert found.outside == 1.0  # networks of a billion parameters beside recorded ones of a few millions
    losses = [found.loss(one, one.fingerprint, 1.0) for one in members("paper")]
    assert 1 < min(losses) < max(losses) < 8  # of their space, not off the end of a line


def test_seeds_are_other_luck() -> None:
    found = model()
    one, other = seconds(found, members("cpu")), seconds(found.with_seed(1), members("cpu"))
    assert (one != other).mean() > 0.9
    assert (seconds(found.with_seed(0), members("cpu")) == one).all()
    assert np.log(one).mean() == pytest.approx(np.log(other).mean(), abs=0.3)


def test_equal_trainings_leave_no_luck() -> None:
    rates = recorded_rates()
    equal = replace(rates, seconds_per_token=np.full(len(rates.networks), 2e-4))
    found = TrainingModel(equal, load_space("cpu"), itself, RECIPE)
    assert seconds(found, members("cpu")) == pytest.approx(2e-4)
