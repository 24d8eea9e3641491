"""Simulated searches: the engine of real ones, in virtual time."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from optuna.samplers import BaseSampler
from optuna.storages import InMemoryStorage
from table_fakes import GENES, essence, frame, in_row_order, laddered, table

from nas_search.errors import InputError
from nas_search.search.config import SearchConfig
from nas_search.search.problem import SearchProblem
from nas_search.search.samplers.factory import sampler_maker
from nas_search.search.samplers.options import SamplerOptions
from nas_search.search.samplers.random_members import RandomMembers
from nas_search.search.simulation.recorded_training import RecordedTraining
from nas_search.search.simulation.simulate import Replay, simulate, simulate_search

SMALL = SamplerOptions(population=4, sample_size=2)
SAMPLERS: list[dict[str, Any]] = [{"sampler": "random"}, {"sampler": "evolution", "options": SMALL}]


def test_virtual_time_of_two_workers() -> None:
    """One is busy with row 0 for five seconds, the other does rows of one second beside it."""
    rows = frame().assign(seconds=[5.0, *[1.0] * 119])
    replay = simulate(table(rows, cost="seconds"), in_row_order, trials=8, seed=0, workers=2)
    assert replay.told_at == {0: 5.0, 1: 1.0, 2: 2.0, 3: 3.0, 4: 4.0, 5: 5.0, 6: 6.0, 7: 6.0}
    assert replay.seconds == 6.0
    assert [record.fingerprint for record in replay.records] == [str(row) for row in range(8)]
    assert [record.bits_per_byte for record in replay.records] == rows["loss"][:8].tolist()
    assert [record.seconds for record in replay.records] == rows["seconds"][:8].tolist()
    assert len(replay.thinking) == 8 and 0 < replay.median_thinking < 1


def test_thinking_takes_virtual_time_in_which_workers_go_on() -> None:
    """Two workers, jobs of five seconds, two seconds for a proposal: begun at 2, 4, 9, 11 and 16, told five later."""
    rows = frame().assign(seconds=5.0)
    replay = thinking_replay(rows, trials=5, workers=2, seconds=2.0)
    assert replay.told_at == {0: 7.0, 1: 9.0, 2: 14.0, 3: 16.0, 4: 21.0}
    assert (replay.seconds, replay.last_proposal) == (21.0, 16.0)
    assert (replay.busy_seconds, replay.busy_after) == (25.0, 5.0)


def test_a_slow_driver_feeds_one_worker_at_most() -> None:
    """Whoever ends meanwhile is heard of when the driver listens again."""
    rows = frame().assign(seconds=1.0)
    replay = thinking_replay(rows, trials=4, workers=3, seconds=10.0)
    assert replay.last_proposal == 40.0 and replay.busy_seconds == 4.0
    assert replay.seconds == 41.0


def thinking_replay(rows: pd.DataFrame, *, trials: int, workers: int, seconds: float) -> Replay:
    made = table(rows, cost="seconds")
    config = SearchConfig(trials=trials, workers=workers, proposals=100)
    training = RecordedTraining(made.ladder, made.losses, made.seconds)
    return simulate_search(config, made.problem(), training, in_row_order, thinking=lambda proposals: seconds)


def test_a_thousand_workers_are_all_at_work_until_the_last_proposal() -> None:
    rng = np.random.default_rng(0)
    rows = pd.concat([frame(seed).assign(part=seed) for seed in range(30)])
    rows["seconds"] = rng.uniform(1, 100, len(rows))
    made = table(rows, ["part", *GENES], cost="seconds")
    replay = simulate(made, in_row_order, trials=3000, seed=1, workers=1000)
    ends = np.array([replay.told_at[record.number] for record in replay.records])
    starts = ends - [record.seconds for record in replay.records]
    last = starts.max()
    moments = np.append(np.sort(ends[ends < last]), 0.0) + 1e-9
    assert {int(((starts <= moment) & (ends > moment)).sum()) for moment in moments} == {1000}
    assert replay.seconds == ends.max() < last + 100


@pytest.mark.parametrize("case", SAMPLERS, ids=lambda case: case["sampler"])
@pytest.mark.parametrize("made", [table, laddered])
def test_going_on_after_any_trial_proposes_the_same(case: dict[str, Any], made: Any) -> None:
    undisturbed = simulate(made(), **case, trials=12, seed=3)
    assert len({record.fingerprint for record in undisturbed.records}) == 12
    for cut in range(1, 12):
        storage = InMemoryStorage()
        first = simulate(made(), **case, trials=cut, seed=3, storage=storage)
        rest = simulate(made(), **case, trials=12, seed=3, storage=storage)
        assert essence(first) == essence(undisturbed)[:cut]
        assert essence(rest) == essence(undisturbed)
        assert set(rest.told_at) == set(range(cut, 12)) and len(rest.thinking) == 12 - cut


@pytest.mark.parametrize("workers", [1, 3])
def test_going_on_after_a_crash_anywhere(workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sittings that die when they have made a trial, or when a rung has ended, again and again."""
    maker = sampler_maker("evolution", SMALL)
    fields: dict[str, Any] = {"trials": 12, "seed": 3, "workers": workers, "deterministic": True}
    undisturbed = simulate(laddered(), maker, **fields)
    countdown = [0]

    def tick() -> None:
        countdown[0] -= 1
        if countdown[0] == 0:
            raise KeyboardInterrupt

    def dying(problem: SearchProblem, seed: int, proposal_index: int) -> BaseSampler:
        tick()
        return maker(problem, seed, proposal_index)

    finish = RecordedTraining.finish
    monkeypatch.setattr(RecordedTraining, "finish", lambda self, job: (tick(), finish(self, job)))
    storage = InMemoryStorage()
    deaths = 0
    while True:
        countdown[0] = 4 + deaths
        try:
            again = simulate(laddered(), dying, storage=storage, **fields)
            break
        except KeyboardInterrupt:
            deaths += 1
    assert deaths > 3
    assert essence(again) == essence(undisturbed)


def test_a_missing_loss_is_a_failed_trial() -> None:
    rows = frame()
    rows.loc[[0, 2], "loss"] = np.nan
    replay = simulate(table(rows, cost="seconds"), in_row_order, trials=5, seed=0)
    assert [record.state for record in replay.records] == ["failed", "complete", "failed", "complete", "complete"]
    assert (replay.records[0].reason, replay.records[0].bits_per_byte) == ("the table has no loss", None)
    assert replay.seconds == pytest.approx(rows["seconds"][:5].sum())


def test_training_may_fail_at_a_lower_rung() -> None:
    rows = frame()
    rows.loc[0, "loss_300"] = np.nan
    first = simulate(laddered(rows), in_row_order, trials=3, seed=0).records[0]
    assert (first.state, first.rung_scores) == ("failed", (rows["loss_100"][0],))
    assert first.seconds == pytest.approx(rows["seconds"][0] / 3)


def test_rungs_take_their_seconds_one_after_the_other() -> None:
    rows = frame()
    replay = simulate(laddered(rows), in_row_order, trials=20, seed=0)
    assert {record.state for record in replay.records} == {"complete", "stopped"}
    shares = (1 / 9, 3 / 9, 1.0)
    for record in replay.records:
        row = int(record.fingerprint)
        assert record.rung_scores == tuple(rows.loc[row, ["loss_100", "loss_300", "loss"]])[: len(record.rung_scores)]
        assert record.seconds == pytest.approx(rows["seconds"][row] * shares[len(record.rung_scores) - 1])
    assert replay.seconds == pytest.approx(sum(record.seconds for record in replay.records))


def test_what_is_over_the_limit_is_not_trained() -> None:
    replay = simulate(table(cost="seconds"), "random", trials=10, seed=0, latency_limit=4.0)
    over = [record for record in replay.records if record.state == "over_limit"]
    assert over and all(record.latency_ms > 4.0 and record.seconds == 0 for record in over)
    trained = [record for record in replay.records if record.trained]
    assert len(trained) == 10 and all(record.latency_ms <= 4.0 for record in trained)
    assert replay.seconds == pytest.approx(sum(record.seconds for record in trained))


def test_an_exhausted_table_ends_the_search() -> None:
    replay = simulate(table(frame()[:8], GENES[2:]), "random", trials=50, seed=0)
    assert sum(record.trained for record in replay.records) == 8
    duplicates = [record for record in replay.records if record.state == "duplicate"]
    assert duplicates and all(replay.records[record.duplicate_of].fingerprint == record.fingerprint
                              for record in duplicates)  # fmt: skip


def replay_with(seconds: np.random.Generator | None, **fields: Any) -> Replay:
    rows = frame()
    if seconds is not None:
        rows["seconds"] = seconds.uniform(1, 1000, len(rows))
    return simulate(table(rows, cost="seconds"), "evolution", options=SMALL, trials=30, seed=2, **fields)


def test_deterministic_searches_find_the_same_however_long_training_takes() -> None:
    sober, hasty = (
        replay_with(None, workers=4, deterministic=True),
        replay_with(np.random.default_rng(5), workers=4, deterministic=True),
    )
    without = {"finished_at", "seconds"}
    assert [r.model_dump(exclude=without) for r in sober.records] == [
        r.model_dump(exclude=without) for r in hasty.records
    ]
    told = [sober.told_at[number] for number in range(30)]
    assert told == sorted(told)
    free = [replay_with(np.random.default_rng(seed), workers=4) for seed in (5, 6)]
    assert [r.fingerprint for r in free[0].records] != [r.fingerprint for r in free[1].records]


@pytest.mark.parametrize("deterministic", [True, False])
def test_proposal_n_sees_proposals_up_to_n_minus_w(deterministic: bool) -> None:
    seen: list[int] = []

    class Watching(RandomMembers):
        def choose(self, history: Any) -> Any:
            seen.append(len(history.complete))
            return super().choose(history)

    def watching(problem: SearchProblem, seed: int, proposal_index: int) -> BaseSampler:
        return Watching(problem.space, np.random.default_rng([seed, proposal_index]))

    simulate(table(cost="seconds"), watching, trials=20, seed=0, workers=5, deterministic=deterministic)
    assert seen == [max(0, n - 4) for n in range(20)]


def test_bad_numbers_and_names_are_refused() -> None:
    with pytest.raises(InputError, match="simulation: workers"):
        simulate(table(), "random", trials=3, seed=0, workers=70_000)
    with pytest.raises(InputError, match="unknown sampler 'rnadom'"):
        simulate(table(), "rnadom", trials=3, seed=0)
    with pytest.raises(InputError, match="random: it has no option population"):
        simulate(table(), "random", options=SMALL, trials=3, seed=0)
