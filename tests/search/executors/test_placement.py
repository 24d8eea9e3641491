"""Who works where, without anybody working."""

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from nas_search.search.executors.cluster.placement import Plan, Seat, plan
from nas_search.search.jobs import Job

HOSTS = ("left", "right")


def job(name: str = "train", *, alone: bool = False) -> Job:
    return Job(name=name, kind="measure" if alone else "train", arguments={}, alone=alone)


TRAIN, ALONE = job(), job("measure", alone=True)


def both(job: Job) -> set[str]:
    return set(HOSTS)


def left(job: Job) -> set[str]:
    return {"left"}


def test_jobs_take_free_seats_in_order() -> None:
    seats = [Seat(0, "left", TRAIN), Seat(1, "left", None), Seat(2, "right", None)]
    assert plan([TRAIN, TRAIN, TRAIN], seats, both, set()) == Plan([(0, 1), (1, 2)], {}, set())


def test_a_job_that_is_to_be_alone_waits_for_its_host_and_nothing_else_starts_there() -> None:
    seats = [Seat(0, "left", TRAIN), Seat(1, "left", None), Seat(2, "right", None)]
    assert plan([ALONE, TRAIN, TRAIN], seats, left, set()) == Plan([(1, 2)], {"left": 0}, set())


def test_it_takes_the_host_that_is_free() -> None:
    seats = [Seat(0, "left", TRAIN), Seat(1, "right", None)]
    assert plan([ALONE, TRAIN], seats, both, set()) == Plan([], {"right": 0}, {"right"})


def test_a_host_that_was_taken_stays_the_one() -> None:
    seats = [Seat(0, "left", TRAIN), Seat(1, "right", None)]
    assert plan([ALONE], seats, both, {"left"}).taken == {"left": 0}


def test_what_came_before_starts_before_a_host_is_taken() -> None:
    assert plan([TRAIN, ALONE], [Seat(0, "left", None)], left, set()) == Plan([(0, 0)], {"left": 1}, set())


def test_nothing_starts_beside_a_job_that_is_alone() -> None:
    seats = [Seat(0, "left", ALONE), Seat(1, "left", None)]
    assert plan([TRAIN], seats, both, set()) == Plan([], {}, set())
    assert plan([ALONE, TRAIN], seats, left, set()) == Plan([], {}, set())


def test_two_that_are_to_be_alone_take_a_host_each() -> None:
    assert plan([ALONE, ALONE, ALONE], [], both, set()).taken == {"left": 0, "right": 1}


@st.composite
def situations(draw: st.DrawFn) -> tuple[list[Job], list[Seat]]:
    jobs = draw(st.lists(st.sampled_from([TRAIN, ALONE]), max_size=8))
    lonely = draw(st.sets(st.sampled_from(HOSTS)))
    hosts = draw(st.lists(st.sampled_from(HOSTS), max_size=6))
    seats = [Seat(key, host, draw(st.sampled_from([None, TRAIN]))) for key, host in enumerate(hosts)]
    alone = [Seat(100 + index, host, ALONE) for index, host in enumerate(sorted(lonely))]
    return jobs, [seat for seat in seats if seat.host not in lonely or seat.job is None] + alone


@given(situations())
def test_no_host_ever_has_something_beside_what_is_alone(situation: tuple[list[Job], list[Seat]]) -> None:
    jobs, seats = situation
    found = plan(jobs, seats, both, set())
    host_of = {seat.key: seat.host for seat in seats}
    busy = {seat.host for seat in seats if seat.job is not None} | {host_of[key] for _, key in found.starts}
    lonely = {seat.host for seat in seats if seat.job is ALONE}
    assert not found.free & busy
    assert not {host_of[key] for _, key in found.starts} & (lonely | set(found.free))
    assert not set(found.taken) & lonely


@given(situations())
def test_jobs_start_in_order_each_once(situation: tuple[list[Job], list[Seat]]) -> None:
    jobs, seats = situation
    found = plan(jobs, seats, both, set())
    started = [index for index, _ in found.starts]
    assert started == sorted(set(started)) and len({key for _, key in found.starts}) == len(started)
    trains = (index for index, one in enumerate(jobs) if not one.alone)
    assert started == list(_first(trains, len(started)))


def _first(indices: Iterator[int], count: int) -> Iterator[int]:
    for _, index in zip(range(count), indices, strict=False):
        yield index
