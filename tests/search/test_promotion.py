from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_search.search.evidence import Evidence, Standing
from nas_search.search.promotion import FIXED_SHARE, goes_up, in_fixed_share, is_promising
from nas_search.search.rungs import Ladder

WORK = Ladder.build(9 * 65_536, 65_536).work(0.1)
NOTHING = np.zeros(1)
# A proposal that is not of the share that goes up regardless.
PLAIN = next(index for index in range(100) if not in_fixed_share(0, index, 0))
LUCKY = next(index for index in range(1000) if in_fixed_share(0, index, 0) and not in_fixed_share(0, index, 1))


def standing(known: tuple[float, ...], *losses: float, parameters: int = 1000) -> Standing:
    return Standing(known, losses, NOTHING, parameters)


def evidence(trials: Iterable[Standing]) -> Evidence:
    found = Evidence.none(WORK, features=1)
    for trial in trials:
        found = found.with_trial(trial)
    return found


def falling(known: tuple[float, ...], first: float, noise: float = 0.0, seed: int = 0) -> Standing:
    """A complete trial whose loss falls by a tenth from rung to rung, more or less."""
    shares = 0.9 + noise * np.random.default_rng(seed).standard_normal(2)
    return standing(known, first, first * shares[0], first * shares[0] * shares[1])


# What takes longer loses less: 40 latencies from 1 ms.
MANY = [falling((1.0 + index / 4,), 4.0 - index / 20, 0.005, index) for index in range(40)]


def test_without_anything_on_the_top_rung_everybody_goes_up() -> None:
    assert is_promising(standing((9.0,), 99.0), evidence([]))
    assert is_promising(standing((9.0,), 99.0), evidence([standing((1.0,), 4.0), standing((1.0,), 4.0, 3.0)]))


@given(st.floats(0.001, 0.999), st.floats(0.1, 100.0), st.integers(1, 10**9))
def test_the_fastest_so_far_is_never_stopped(latency: float, loss: float, parameters: int) -> None:
    assert is_promising(standing((latency,), loss, parameters=parameters), evidence(MANY))


def test_what_is_dominated_for_certain_stops() -> None:
    known = evidence(MANY)
    assert not is_promising(standing((6.0,), 4.0), known)
    assert not is_promising(standing((6.0,), 4.0, 3.6), known)
    assert is_promising(standing((6.0,), 2.9), known)


def test_a_rival_must_be_as_good_in_everything_known() -> None:
    known = evidence(falling((*trial.known, -50.0), trial.losses[0], 0.005, index) for index, trial in enumerate(MANY))
    assert not is_promising(standing((6.0, -50.0), 4.0), known)
    assert not is_promising(standing((6.0, -40.0), 4.0), known)
    assert is_promising(standing((6.0, -60.0), 4.0), known)


def test_stopped_trials_stop_nobody() -> None:
    slow = [falling((9.0,), 3.0, 0.005, index) for index in range(20)]
    assert is_promising(standing((2.0,), 4.0), evidence([*slow, standing((1.0,), 1.0), standing((1.0,), 1.0, 0.9)]))


@given(st.integers(0, 39), st.floats(0.5, 1.5), st.floats(0.5, 1.5))
def test_a_lower_loss_never_makes_a_candidate_stop(index: int, one: float, other: float) -> None:
    low, high = sorted((one, other))
    known, first = MANY[index].known, MANY[index].losses[0]
    decided = evidence(MANY)
    assert is_promising(standing(known, low * first), decided) >= is_promising(standing(known, high * first), decided)


@given(st.floats(1e-3, 1e3), st.floats(1e-2, 1e2), st.integers(1, 1000), st.floats(0.85, 1.1))
def test_units_do_not_matter(latency: float, loss: float, parameters: int, share: float) -> None:
    def told(trial: Standing) -> Standing:
        losses = tuple(loss * one for one in trial.losses)
        return Standing((latency * trial.known[0],), losses, trial.features, parameters * trial.parameters)

    candidate = standing((6.0,), share * MANY[20].losses[0])
    here, there = evidence(MANY), evidence(map(told, MANY))
    assert is_promising(candidate, here) == is_promising(told(candidate), there)


def test_what_is_dear_to_train_needs_a_better_chance() -> None:
    known = evidence(MANY)
    firsts = np.linspace(2.9, 3.4, 200)
    bars = [
        max(first for first in firsts if is_promising(standing((6.0,), first, parameters=parameters), known))
        for parameters in (10, 1_000, 100_000)
    ]
    assert bars[0] > bars[1] > bars[2]


def test_little_left_to_train_needs_a_lesser_chance() -> None:
    one = standing((1.0,), 4.0)
    assert evidence(MANY).needed(one) == pytest.approx(sum(WORK[1:]) / sum(WORK))
    assert evidence(MANY).needed(one._replace(losses=(4.0, 3.5))) == pytest.approx(WORK[2] / sum(WORK))


@given(st.integers(1, 10**12))
def test_more_than_an_even_chance_is_enough_however_dear(parameters: int) -> None:
    assert is_promising(standing((6.0,), 2.0, parameters=parameters), evidence(MANY))


def test_searches_that_find_little_look_closer() -> None:
    """The same front after more trials that came to nothing: another member is worth more training."""
    rare = evidence([*MANY, *(standing((20.0,), 9.0) for _ in range(2_000))])
    assert rare.front == evidence(MANY).front
    assert rare.rate < evidence(MANY).rate / 2
    firsts = np.linspace(2.9, 3.4, 200)
    counts = [sum(is_promising(standing((6.0,), one), known) for one in firsts) for known in (evidence(MANY), rare)]
    assert counts[1] > counts[0]


def test_a_share_of_what_would_stop_goes_up_by_a_rung() -> None:
    known, hopeless = evidence(MANY), standing((6.0,), 9.0)
    assert goes_up(hopeless, known, seed=0, proposal_index=LUCKY)
    assert not goes_up(hopeless, known, seed=0, proposal_index=PLAIN)
    assert not goes_up(standing((6.0,), 9.0, 8.0), known, seed=0, proposal_index=LUCKY)
    for rung in range(2):
        share = np.mean([in_fixed_share(3, index, rung) for index in range(4000)])
        assert share == pytest.approx(FIXED_SHARE, abs=0.01)


def test_the_front_keeps_what_nothing_dominates() -> None:
    trials = [((2.0,), 3.0), ((1.0,), 3.5), ((3.0,), 3.2), ((2.0,), 2.5)]
    found = evidence(standing(known, 4.0, 3.9, loss) for known, loss in trials)
    assert found.front == ((1.0, 3.5), (2.0, 2.5))
    assert (found.best((0.5,)), found.best((1.0,)), found.best((9.0,))) == (None, 3.5, 2.5)


def test_training_is_counted_up_to_where_it_ended() -> None:
    found = evidence([standing((1.0,), 4.0), standing((1.0,), 4.0, 3.5), standing((1.0,), 4.0, 3.5, 3.0)])
    assert found.tokens == pytest.approx(3 * WORK[0] + 2 * WORK[1] + WORK[2])
    assert found.trials == 3
