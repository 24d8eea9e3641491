"""Several drivers of one study: nothing is done twice, nobody writes what others have, no dead leave things undone."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from optuna.storages import RDBStorage
from shared_searches import access, begin, loop_of
from sqlalchemy import select, update
from table_fakes import frame, laddered, table
from test_storage_conformance import Killed, candidate, config, essence, in_memory

from nas_search.errors import InputError, RunError
from nas_search.search.journal import Outcome, StudyJournal, kept_results
from nas_search.search.loop import SearchLoop
from nas_search.search.storage.driver import LeaseTimes
from nas_search.search.storage.shared_access import SharedAccess
from nas_search.search.storage.shared_journal import SharedJournal
from nas_search.search.storage.tables import ARCHITECTURES, DRIVERS, TRIALS
from nas_search.search.taken import ArchitectureTakenError, LeaseLostError, ProposalTakenError

TABLE = laddered()
TOLD = Outcome(state="complete", told_loss=2.5, bits_per_byte=2.5)


@contextmanager
def drivers(
    url: str, folder: Path, number: int = 2, **fields: Any
) -> Iterator[list[tuple[SharedAccess, StudyJournal]]]:
    with ExitStack() as stack:
        ways = [stack.enter_context(access(url, folder / f"run{i}")) for i in range(number)]
        yield [(way, begin(way, folder / f"run{i}", TABLE, **fields)) for i, way in enumerate(ways)]


def forget(way: SharedAccess) -> None:
    """As if it had not been heard of for long: its heart does not beat either."""
    way._driver._ended.set()
    way._driver._thread.join()
    with way._engine.begin() as connection:
        connection.execute(update(DRIVERS).where(DRIVERS.c.driver == way._driver.key).values(expires=1.0))


def steady(way: SharedAccess) -> None:
    way._patience.steady_since = -1e9


def news(journal: StudyJournal, room: int = 1) -> Any:
    assert isinstance(journal, SharedJournal)
    journal._due = 0.0
    return journal.news(room)


def test_one_proposal_one_trial(url: str, tmp_path: Path) -> None:
    with drivers(url, tmp_path) as ((_, one), (_, other)):
        one.create(0)
        with pytest.raises(ProposalTakenError):
            other.create(0)
        assert [trial.number for trial in news(other).elsewhere] == [0]
        other.create(1)
        assert [trial.number for trial in other.trials()] == [0, 1]
        with pytest.raises(ProposalTakenError):
            other.create(3)


def test_one_architecture_one_trial(url: str, tmp_path: Path) -> None:
    with drivers(url, tmp_path) as ((_, one), (_, other)):
        first, second = one.create(0), other.create(1)
        one.write_candidate(first, candidate(7))
        with pytest.raises(ArchitectureTakenError, match="trial 0"):
            other.write_candidate(second, candidate(7))
        assert "candidate" not in other.trials()[1].user_attrs
        other.write_candidate(second, candidate(7, fate="duplicate", duplicate_of=0))
        assert other.trials()[1].params == candidate(7).genome


def test_a_claim_and_its_candidate_are_stored_together(url: str, tmp_path: Path, monkeypatch: Any) -> None:
    with drivers(url, tmp_path, 1) as ((way, journal),):
        trial = journal.create(0)

        def die(*arguments: Any) -> None:
            raise Killed

        monkeypatch.setattr(RDBStorage, "set_trial_user_attr", die)
        with pytest.raises(Killed):
            journal.write_candidate(trial, candidate(7))
        with way._engine.connect() as connection:
            assert connection.execute(select(ARCHITECTURES)).all() == []


def test_who_lost_a_trial_writes_nothing_to_it(url: str, tmp_path: Path) -> None:
    """A driver was suspended; another took its trial over and told it, or is at it."""
    with drivers(url, tmp_path) as ((way, one), (other_way, other)):
        trials = [one.create(index) for index in range(2)]
        for row, trial in enumerate(trials):
            one.write_candidate(trial, candidate(row))
        forget(way)
        other_way._patience.steady_since = time.monotonic()
        assert not news(other, room=9).ours, "the storage must have been steady for a while"
        steady(other_way)
        assert [trial.number for trial in news(other, room=9).ours] == [0, 1]
        other.tell(trials[0], candidate(0), TOLD)
        late = Outcome(state="failed", told_loss=None, reason="late")
        for row, trial in enumerate(trials):
            with pytest.raises(LeaseLostError):
                one.tell(trial, candidate(row), late)
            with pytest.raises(LeaseLostError):
                one.keep_result(trial, "job", {})
        stored = other.trials()
        assert [trial.state.name for trial in stored] == ["COMPLETE", "RUNNING"]
        assert stored[0].user_attrs["outcome"]["state"] == "complete"
        assert "outcome" not in stored[1].user_attrs
        assert [trial.number for trial in news(one).told] == [0]


def test_a_write_and_its_lease_are_one_transaction(url: str, tmp_path: Path, monkeypatch: Any) -> None:
    """The lease goes to another driver between the question whose it is and the write: that write must not happen."""
    with drivers(url, tmp_path) as ((way, one), _):
        trial = one.create(0)
        with way._engine.begin() as connection:
            connection.execute(update(TRIALS).values(driver="somebody else"))
        with pytest.raises(LeaseLostError):
            one.write_candidate(trial, candidate(0))
        assert one.trials()[0].params == {} and one.trials()[0].user_attrs == {}


def test_as_many_dead_trials_as_there_is_room_for(url: str, tmp_path: Path) -> None:
    with drivers(url, tmp_path) as ((way, one), (other_way, other)):
        for index in range(3):
            one.create(index)
        forget(way)
        steady(other_way)
        first = news(other, room=2)
        assert [trial.number for trial in first.ours] == [0, 1]
        assert ([trial.number for trial in first.elsewhere], first.left) == ([2], 1)


def test_a_process_that_is_gone_need_not_expire(url: str, tmp_path: Path, monkeypatch: Any) -> None:
    with access(url, tmp_path / "one") as way:
        way._driver.identity = way._driver.identity.model_copy(update={"started": "before"})
        monkeypatch.setattr(way._driver, "end", way._driver._ended.set)
        journal = begin(way, tmp_path / "one", TABLE)
        journal.create(0)
    with access(url, tmp_path / "two") as way:
        journal = begin(way, tmp_path / "two", TABLE)
        assert [trial.number for trial in news(journal).ours] == [0]


def test_one_on_another_machine_must(url: str, tmp_path: Path) -> None:
    with access(url, tmp_path / "one") as way, access(url, tmp_path / "two") as other_way:
        way._driver.identity = way._driver.identity.model_copy(update={"machine": "far away", "started": "before"})
        begin(way, tmp_path / "one", TABLE).create(0)
        journal = begin(other_way, tmp_path / "two", TABLE)
        steady(other_way)
        assert not news(journal).ours
        forget(way)
        assert [trial.number for trial in news(journal).ours] == [0]


def test_what_is_asked_for_once_does_not_stay_with_the_dead(url: str, tmp_path: Path) -> None:
    """A machine went away with its driver; the next one is at work before the storage has been steady for a while."""
    fields = {"deterministic": True, "workers": 1}
    quick = LeaseTimes(lease_seconds=3600, heartbeat_seconds=0.2)
    with access(url, tmp_path / "one") as way:
        way._driver.identity = way._driver.identity.model_copy(update={"machine": "far away"})
        begin(way, tmp_path / "one", TABLE, **fields)
        with way.confirming() as first, access(url, tmp_path / "two", quick) as other:
            forget(way)
            other._patience.steady_since = time.monotonic()
            begin(other, tmp_path / "two", TABLE, **fields)
            with other.confirming() as second:
                assert (first, second) == (True, True)


def test_a_trial_that_another_driver_told_is_let_go(url: str, tmp_path: Path) -> None:
    """A driver with two workers was cut off; it hears that one trial is told while its own worker is still at it."""
    with drivers(url, tmp_path) as ((_, one), (other_way, other)):
        settings = config(8, "enumerate").model_copy(update={"workers": 2})

        def take_all_at_the_first_job(job: Any) -> None:
            if job.name == "0-rung0":
                with other_way._engine.begin() as connection:
                    connection.execute(update(TRIALS).values(driver=other_way._driver.key))
                for row, trial in enumerate(trial for trial in news(other, room=9).ours):
                    other.tell(trial, candidate(row), TOLD)

        loop = loop_of(one, TABLE, settings, take_all_at_the_first_job)
        thread = Thread(target=loop.run, daemon=True)
        thread.start()
        thread.join(timeout=60)
        assert not thread.is_alive()
        assert sorted(loop.ledger.told) == list(range(8))


def test_hearts_beat(url: str, tmp_path: Path) -> None:
    quick = LeaseTimes(lease_seconds=60, heartbeat_seconds=0.1)
    with access(url, tmp_path / "run", quick) as way:
        begin(way, tmp_path / "run", TABLE)
        before = expiry(way)
        deadline = time.monotonic() + 30
        while expiry(way) <= before and time.monotonic() < deadline:
            time.sleep(0.1)
        assert before < expiry(way) < time.time() + 90


def expiry(way: SharedAccess) -> float:
    with way._engine.connect() as connection:
        return float(connection.execute(select(DRIVERS.c.expires)).scalar_one())


def test_results_go_with_the_trial(url: str, tmp_path: Path) -> None:
    """The second driver trains the rung that the first was at, and none below."""
    with drivers(url, tmp_path) as ((way, one), (other_way, other)):

        def die_at_the_third_rung(job: Any) -> None:
            if job.name == "0-rung2":
                raise Killed

        with pytest.raises(Killed):
            loop_of(one, TABLE, config(1, "enumerate"), die_at_the_third_rung).run()
        (trial,) = one.trials()
        assert list(kept_results(trial)) == ["0-rung0", "0-rung1"]
        forget(way)
        steady(other_way)
        loop = loop_of(other, TABLE, config(1, "enumerate"))
        loop.run()
        assert loop.executor.done == ["0-rung2"]  # type: ignore[attr-defined]
        assert essence(other) == in_memory(TABLE, config(1, "enumerate"))


def run_together(loops: Sequence[SearchLoop]) -> None:
    threads = [Thread(target=loop.run) for loop in loops]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("sampler", ["enumerate", "random"])
def test_drivers_side_by_side(url: str, tmp_path: Path, sampler: str) -> None:
    """Limits hold over all of them, no architecture is trained twice, every result is in the study once."""
    begun: list[str] = []
    settings = config(24, sampler)
    with drivers(url, tmp_path, 3) as pairs:
        loops = [loop_of(journal, TABLE, settings, lambda job: begun.append(job.name)) for _, journal in pairs]
        run_together(loops)
        found = essence(pairs[0][1])
    assert len(begun) == len(set(begun))
    assert [record["proposal_index"] for record in found] == list(range(24))
    assert len({record["fingerprint"] for record in found}) == 24
    assert all(len(loop.ledger.told) == 24 for loop in loops)
    if sampler == "enumerate":
        alone = in_memory(TABLE, settings)
        assert [record["fingerprint"] for record in found] == [record["fingerprint"] for record in alone]


def test_a_small_space_is_exhausted_by_all_together(url: str, tmp_path: Path) -> None:
    small = table(frame().iloc[:6], genes=("ratio", "wide"))
    with drivers(url, tmp_path) as pairs:
        loops = [loop_of(journal, small, config(50, "enumerate")) for _, journal in pairs]
        run_together(loops)
        found = essence(pairs[0][1])
    trained = [record for record in found if record["state"] != "duplicate"]
    assert len(trained) == len({record["fingerprint"] for record in trained}) == 6
    assert all(loop.ledger.exhausted for loop in loops)
    for record in found:
        if record["state"] == "duplicate":
            assert record["bits_per_byte"] == found[record["duplicate_of"]]["bits_per_byte"]


def test_a_deterministic_search_has_one_driver(url: str, tmp_path: Path) -> None:
    fields = {"deterministic": True, "workers": 1}
    said = r"--deterministic is for one driver, and process \d+ on .*run0"
    with (
        drivers(url, tmp_path, 1, **fields),
        access(url, tmp_path / "two") as way,
        pytest.raises(InputError, match=said),
    ):
        begin(way, tmp_path / "two", TABLE, **fields)


def test_another_configuration_is_refused(url: str, tmp_path: Path) -> None:
    said = "study 'study' in .*: begun with seed: 1, here it is 2; give the same"
    with drivers(url, tmp_path, 1, seed=1), access(url, tmp_path / "two") as way, pytest.raises(InputError, match=said):
        begin(way, tmp_path / "two", TABLE, seed=2)


def test_a_study_of_another_program_is_refused(url: str, tmp_path: Path) -> None:
    import optuna

    engine_url = url.replace("postgresql:", "postgresql+psycopg:")
    optuna.create_study(study_name="study", storage=engine_url).optimize(
        lambda trial: trial.suggest_float("x", 0, 1), 1
    )
    with (
        access(url, tmp_path / "run") as way,
        pytest.raises(InputError, match="a study of another program; give another"),
    ):
        begin(way, tmp_path / "run", TABLE)


def test_only_one_driver_confirms(url: str, tmp_path: Path) -> None:
    with drivers(url, tmp_path) as ((one, _), (other, _)):
        notes: list[str] = []
        other._note = notes.append
        with one.confirming() as first, other.confirming() as second:
            assert (first, second) == (True, False)
        assert "is being confirmed by process" in notes[0]
        with other.confirming() as now:
            assert now


def test_who_is_out_of_time_leaves_nothing_of_the_dead(url: str, tmp_path: Path) -> None:
    """They are what an earlier sitting began; there may be more of them than it has workers."""
    with drivers(url, tmp_path) as ((way, one), (other_way, other)):
        for index in range(3):
            one.write_candidate(one.create(index), candidate(index))
        forget(way)
        steady(other_way)
        settings = config(8, "enumerate").model_copy(update={"hours": 1e-12})
        loop = loop_of(other, TABLE, settings)
        loop.run()
        assert sorted(loop.ledger.told) == [0, 1, 2]


def test_nobody_waits_for_the_trial_of_another_program(url: str, tmp_path: Path) -> None:
    import optuna

    with drivers(url, tmp_path, 1) as ((_, journal),):
        engine_url = url.replace("postgresql:", "postgresql+psycopg:")
        foreign = optuna.load_study(study_name="study", storage=engine_url)
        foreign.enqueue_trial({})
        with pytest.raises(RunError, match="trial 0 is no driver's, another program made it"):
            loop_of(journal, TABLE, config(3, "enumerate")).run()
        foreign._storage.set_trial_state_values(foreign.trials[0]._trial_id, optuna.trial.TrialState.FAIL)
        loop_of(journal, TABLE, config(3, "enumerate")).run()
        assert [trial.state.name for trial in journal.trials()] == ["FAIL", *["COMPLETE"] * 3]
