"""A machine that others disturb: tasks of known cost on a clock of their own, slowed down by any law."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from meter_fakes import FakeMeter

from nas_search.profiler.timing import Meter, Samples, StopRule, Task, measure_interleaved

ROUNDS = 101
# What is tested is what the statistics make of so many rounds.
RULE = StopRule(min_rounds=ROUNDS, max_rounds=ROUNDS, max_seconds=1e12)
# Half the width of what a quiet machine adds to every run, as a share.
NOISE = 0.005
# By how much a disturbance may move a figure.
TOLERANCE = 0.01

Slowdown = Callable[[float], float]
"""How much longer work takes, by the share of the session's work that is done."""


@dataclass
class Machine:
    """``costs`` in ms, one run a sample; ``spikes`` is the share of runs that take 2 to 30 times as long.

    Wall time is ``busy`` times the device's.
    """

    costs: Sequence[float]
    seed: int
    slowdown: Slowdown = lambda done: 1.0
    spikes: float = 0.0
    busy: float = 1.0
    meter: FakeMeter = field(default_factory=FakeMeter)

    def __post_init__(self) -> None:
        self.rng, self.done = np.random.default_rng(self.seed), 0.0

    def task(self, cost: float) -> Task:
        def run() -> None:
            spent = cost * self.slowdown(self.share_done(cost / 2)) * self.rng.uniform(1 - NOISE, 1 + NOISE)
            if self.rng.random() < self.spikes:
                spent *= self.rng.uniform(2, 30)
            self.done += cost
            self.meter.pass_ms(spent, self.busy * spent)

        return Task(run)

    def share_done(self, more: float = 0.0) -> float:
        """Of the session's work, with ``more`` of it in ms."""
        return (self.done + more) / (ROUNDS * sum(self.costs))

    def measure(self, through: Meter | None = None, between_rounds: Callable[[], object] = lambda: None) -> Samples:
        """By the machine's own meter, unless another one reads its clock."""
        tasks, meter = [self.task(cost) for cost in self.costs], through or self.meter
        return measure_interleaved(tasks, RULE, seed=self.seed, meter=meter, between_rounds=between_rounds)

    def slowness(self) -> np.ndarray:
        """What is reported for each task on the device's clock, over what it costs."""
        return np.median(self.measure().steady("device"), axis=1) / np.array(self.costs)
