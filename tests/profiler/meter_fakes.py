"""A meter that only tasks move."""

from collections.abc import Callable

from nas_search.profiler.timing import Elapsed, Task


class FakeMeter:
    """Time passes when a task says so."""

    def __init__(self, sample_ms: float = 2.0) -> None:
        self.sample_ms = sample_ms
        self.now = self._start = Elapsed(0.0, 0.0)

    def start(self) -> None:
        self._start = self.now

    def stop(self) -> Elapsed:
        return Elapsed(self.now.wall - self._start.wall, self.now.device - self._start.device)

    def seconds(self) -> float:
        return self.now.device / 1e3

    def pass_ms(self, device: float, wall: float | None = None) -> None:
        self.now = Elapsed(self.now.wall + (device if wall is None else wall), self.now.device + device)

    def task(self, device_ms: Callable[[], float], busy: float = 1.0) -> Task:
        """A task of so many milliseconds; wall time is ``busy`` times as much."""

        def run() -> None:
            spent = device_ms()
            self.pass_ms(spent, busy * spent)

        return Task(run)
