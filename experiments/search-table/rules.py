"""Rules for who goes up a ladder: ours, and those that it is compared with. Each sees one trial after the other."""

from collections.abc import Sequence
from math import ceil, log
from statistics import median
from typing import Protocol

import numpy as np

from nas_search.search.evidence import Evidence, Standing
from nas_search.search.learning_curves import Forecast
from nas_search.search.promotion import WORTH, goes_up
from nas_search.search.rungs import FACTOR


class Rule(Protocol):
    """Decides on one candidate at a time."""

    def goes_up(self, standing: Standing, index: int) -> bool:
        """Whether candidate ``index`` trains on after a rung below the top."""

    def forecast(self, standing: Standing) -> Forecast | None:
        """The top loss of a candidate that stops; None if the rule has nothing to say."""

    def told(self, standing: Standing) -> None:
        """A candidate trains no further."""


class Everything:
    """Everybody goes to the top."""

    def goes_up(self, standing: Standing, index: int) -> bool:
        """Always."""
        return True

    def forecast(self, standing: Standing) -> Forecast | None:
        """Nobody stops."""
        return None

    def told(self, standing: Standing) -> None:
        """Nothing to learn."""


class Promising:
    """The search's own rule; ``worth`` is its bar."""

    def __init__(self, work: tuple[float, ...], features: int, seed: int, worth: float = WORTH) -> None:
        self.evidence = Evidence.none(work, features)
        self.seed, self.worth = seed, worth

    def goes_up(self, standing: Standing, index: int) -> bool:
        """If it may add enough to the front for what it costs."""
        return goes_up(standing, self.evidence, seed=self.seed, proposal_index=index, worth=self.worth)

    def forecast(self, standing: Standing) -> Forecast | None:
        """By learning curves."""
        return self.evidence.curves.at_top(standing.losses, standing.features)

    def told(self, standing: Standing) -> None:
        """More evidence."""
        self.evidence = self.evidence.with_trial(standing)


class Margin:
    """Stops what a trial at most as slow beats at the same rung by a fixed margin; one in five goes up regardless.

    The top loss is the last one plus the median change of others, rung by rung.
    """

    SEED_SIGMA, RANK_NOISE, SHARE = 0.015, 0.03, 0.2

    def __init__(self, tokens: Sequence[int], seed: int) -> None:
        self.tokens, self.seed = tokens, seed
        self.trials: list[Standing] = []

    def goes_up(self, standing: Standing, index: int) -> bool:
        """Unless it is beaten."""
        rung = len(standing.losses) - 1
        margin = self.SEED_SIGMA + self.RANK_NOISE * log(self.tokens[-1] / self.tokens[rung], FACTOR)
        beaten = any(
            len(other.losses) > rung
            and other.losses[rung] < standing.losses[rung] - margin
            and all(theirs <= own for theirs, own in zip(other.known, standing.known, strict=True))
            for other in self.trials
        )
        return not beaten or bool(np.random.default_rng([self.seed, index]).random() < self.SHARE)

    def forecast(self, standing: Standing) -> Forecast | None:
        """Without a standard deviation."""
        loss = standing.losses[-1]
        for rung in range(len(standing.losses), len(self.tokens)):
            loss += median(one.losses[rung] - one.losses[rung - 1] for one in self.trials if len(one.losses) > rung)
        return Forecast(log(loss), 0.0)

    def told(self, standing: Standing) -> None:
        """One more to be beaten by."""
        self.trials.append(standing)


class Halving:
    """Successive halving without waiting (Li et al. 2020, "ASHA"): the best third of those on a rung goes up."""

    def __init__(self, rungs: int) -> None:
        self.losses: list[list[float]] = [[] for _ in range(rungs)]

    def goes_up(self, standing: Standing, index: int) -> bool:
        """By loss alone; the first on a rung is the best."""
        seen = self.losses[len(standing.losses) - 1]
        seen.append(standing.losses[-1])
        return sorted(seen).index(standing.losses[-1]) < ceil(len(seen) / FACTOR)

    def forecast(self, standing: Standing) -> Forecast | None:
        """It has none."""
        return None

    def told(self, standing: Standing) -> None:
        """Nothing that it has not seen."""
