from nas_search.search.executors.base import JobFinished
from nas_search.search.jobs import Job
from nas_search.search.simulation.virtual_executor import VirtualClock, VirtualExecutor


class Setup:
    """An executor whose jobs say how long they take."""

    def __init__(self, workers: int) -> None:
        self.clock = VirtualClock()
        self.done: list[tuple[float, str]] = []
        self.executor = VirtualExecutor(
            workers,
            self.clock,
            seconds=lambda job: float(job.arguments["seconds"]),
            finish=lambda job: self.done.append((self.clock(), job.name)),
        )

    def submit(self, name: str, seconds: float, alone: bool = False) -> None:
        self.executor.submit(Job(name=name, kind="train", arguments={"seconds": seconds}, alone=alone))

    def wait(self) -> list[str]:
        events = self.executor.wait(0.5)
        assert all(isinstance(event, JobFinished) and event.failure is None for event in events)
        return [event.name for event in events]


def test_two_workers_take_turns_in_the_order_of_submission() -> None:
    setup = Setup(2)
    for name, seconds in (("a", 5.0), ("b", 1.0), ("c", 2.0), ("d", 4.0)):
        setup.submit(name, seconds)
    assert [setup.wait() for _ in range(4)] == [["b"], ["c"], ["a"], ["d"]]
    assert setup.done == [(1.0, "b"), (3.0, "c"), (5.0, "a"), (7.0, "d")]
    assert setup.wait() == [] and setup.clock() == 7.0


def test_what_ends_at_once_comes_at_once_in_the_order_of_starts() -> None:
    setup = Setup(3)
    for name in "cab":
        setup.submit(name, 2.0)
    assert setup.wait() == ["c", "a", "b"]


def test_a_job_that_wants_to_be_alone_is() -> None:
    setup = Setup(3)
    setup.submit("first", 3.0)
    setup.submit("alone", 2.0, alone=True)
    setup.submit("last", 1.0)
    assert [setup.wait() for _ in range(3)] == [["first"], ["alone"], ["last"]]
    assert setup.done == [(3.0, "first"), (5.0, "alone"), (6.0, "last")]


def test_jobs_that_take_no_time() -> None:
    setup = Setup(1)
    setup.submit("a", 0.0)
    setup.submit("b", 0.0)
    assert [setup.wait(), setup.wait()] == [["a"], ["b"]]
    assert setup.clock() == 0.0


def test_closed_nothing_is_left() -> None:
    setup = Setup(1)
    setup.submit("a", 1.0)
    setup.submit("b", 1.0)
    setup.executor.close()
    assert setup.wait() == [] and setup.done == []
