import itertools

import numpy as np
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from nas_search.search.journal import PROPOSAL_INDEX, Candidate, Fate, Outcome
from nas_search.search.ledger import EXHAUSTED_AFTER, Active, Ledger
from nas_search.search.trial import TrialRecord
from nas_search.search.trial import TrialState as State

SCORED = Outcome(state="complete", told_loss=2.0, bits_per_byte=2.0)


def trial(number: int) -> FrozenTrial:
    made = create_trial(state=TrialState.RUNNING, user_attrs={PROPOSAL_INDEX: number})
    made.number = number
    return made


def active(number: int, fate: Fate = "train", duplicate_of: int | None = None) -> Active:
    fingerprint = f"f{number if duplicate_of is None else duplicate_of}"
    candidate = Candidate(
        genome={}, architecture=fingerprint, fingerprint=fingerprint, parameters=0, latency_ms=1.0, figures={}, over={},
        fate=fate, duplicate_of=duplicate_of,
    )  # fmt: skip
    return Active(trial(number), candidate)


def record(number: int, state: State = "complete", duplicate_of: int | None = None) -> TrialRecord:
    fingerprint = f"f{number if duplicate_of is None else duplicate_of}"
    return TrialRecord(
        number=number, proposal_index=number, architecture=fingerprint, fingerprint=fingerprint, state=state,
        latency_ms=1.0, figures={}, parameters=0, duplicate_of=duplicate_of,
    )  # fmt: skip


def test_counts_from_begin_to_end() -> None:
    ledger = Ledger(in_order=False)
    first, second, third = active(0), active(1, "over_limit"), active(2, "duplicate", duplicate_of=0)
    for one in (first, second, third):
        ledger.begin(one)
    assert (ledger.proposals, ledger.trained, ledger.training, ledger.undecided) == (3, 0, 1, 3)
    assert ledger.seen == {"f0": 0, "f1": 1}
    ledger.settle(second, Outcome(state="over_limit", told_loss=8.0))
    assert ledger.next_to_tell() is second
    assert ledger.end(second, record(1, "over_limit")) == []
    assert (ledger.proposals, ledger.trained, ledger.training, ledger.undecided) == (3, 0, 1, 2)
    ledger.settle(first, SCORED)
    assert ledger.next_to_tell() is first and ledger.next_to_tell() is None
    assert ledger.end(first, record(0)) == [third]
    assert (ledger.proposals, ledger.trained, ledger.training, ledger.undecided) == (3, 1, 0, 1)
    assert list(ledger.told) == [1, 0] and list(ledger.active) == [2]


def test_trials_in_order_do_not_wait_for_one_that_ended_without_a_candidate() -> None:
    ledger = Ledger(in_order=True)
    ledger.empty += 1
    first, second = active(1), active(2)
    for one in (first, second):
        ledger.begin(one)
    ledger.settle(second, SCORED)
    assert ledger.next_to_tell() is None
    ledger.settle(first, SCORED)
    assert ledger.next_to_tell() is first


def test_a_duplicate_of_what_is_told_waits_for_nothing() -> None:
    ledger = Ledger(in_order=False)
    ledger.add_told(record(0))
    ledger.begin(active(1, "duplicate", duplicate_of=0))
    second = active(2)
    ledger.begin(second)
    assert ledger.end(second, record(2)) == []


@pytest.mark.parametrize("in_order", [False, True])
def test_the_lowest_proposal_that_is_known_is_told_first(in_order: bool) -> None:
    ledger = Ledger(in_order=in_order)
    trials = [active(number) for number in range(4)]
    for one in trials:
        ledger.begin(one)
    told: list[int] = []
    for number in (3, 1, 0, 2):
        ledger.settle(trials[number], SCORED)
        while (following := ledger.next_to_tell()) is not None:
            told.append(following.index)
            ledger.end(following, record(following.index))
    assert told == ([0, 1, 2, 3] if in_order else [3, 1, 0, 2])
    for one in trials[:2]:
        assert one.outcome is SCORED


def test_of_several_known_ones_the_first_proposal_is_told_first() -> None:
    ledger = Ledger(in_order=False)
    trials = [active(number) for number in range(4)]
    for one in trials:
        ledger.begin(one)
    for number in (3, 1, 2):
        ledger.settle(trials[number], SCORED)
    assert [ledger.next_to_tell() for _ in range(4)] == [trials[1], trials[2], trials[3], None]


def test_exhausted_means_that_the_latest_proposals_are_duplicates_whoever_is_told_first() -> None:
    """Against the definition, for trials told in any order."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        ledger = Ledger(in_order=False)
        duplicates = rng.random(80) < 0.95
        told: dict[int, bool] = {}
        for number in rng.permutation(80).tolist():
            ledger.add_told(record(number, "duplicate", 0) if duplicates[number] else record(number))
            told[number] = bool(duplicates[number])
            latest = sorted(told)[-EXHAUSTED_AFTER:]
            assert ledger.exhausted == (len(latest) == EXHAUSTED_AFTER and all(told[one] for one in latest))


def test_what_failed_before_training_ended_still_counts_as_trained() -> None:
    ledger = Ledger(in_order=False)
    states: tuple[State, ...] = ("complete", "stopped", "failed", "over_limit")
    for number, state in zip(itertools.count(), states):
        ledger.add_told(record(number, state))
    assert ledger.trained == 3
