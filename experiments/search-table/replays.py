"""The recorded table, and what searching it rung by rung comes to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rules import Rule

from nas_search.proxies.recipe import TrainingRecipe
from nas_search.search.architecture_features import feature_names
from nas_search.search.evidence import Standing
from nas_search.search.front import Point, hypervolume
from nas_search.search.problem import FloatArray
from nas_search.search.rungs import Ladder
from nas_search.search.simulation.search_table import RungColumns, SearchTable
from nas_search.search.simulation.simulate import simulate
from nas_search.space.search_space import load_space

TOKENS = (14_563, 43_690, 131_072, 393_216)
FEATURES = tuple(feature_names(load_space("cpu").with_vocabulary(256)))
DECAY_SHARE = TrainingRecipe.model_validate({}).decay_share
MakeRule = Callable[[Ladder, int], Rule]
"""A rule for a ladder and a seed."""


@dataclass(frozen=True, eq=False)
class Recorded:
    """The table, with the losses of the rungs of one ladder; ``latency`` is a column in ms."""

    rows: pd.DataFrame
    latency: str
    ladder: Ladder

    @classmethod
    def load(cls, path: Path, latency: str) -> "Recorded":
        """The whole ladder of a table."""
        return cls(pd.read_csv(path), latency, Ladder(TOKENS))

    def on(self, tokens: Sequence[int]) -> "Recorded":
        """With some of the rungs."""
        return Recorded(self.rows, self.latency, Ladder(tuple(tokens)))

    @cached_property
    def losses(self) -> FloatArray:
        """[n, rungs] bits per byte."""
        return self.rows[[f"bits_per_byte_{tokens}" for tokens in self.ladder.tokens]].to_numpy()

    @cached_property
    def latencies(self) -> FloatArray:
        """[n] in ms."""
        return self.rows[self.latency].to_numpy()

    @cached_property
    def seconds_per_token(self) -> FloatArray:
        """[n], from the training of the whole recorded ladder."""
        seconds = self.rows[[f"seconds_{tokens}" for tokens in TOKENS]].to_numpy().sum(axis=1)
        return seconds / sum(Ladder(TOKENS).work(DECAY_SHARE))

    @cached_property
    def standings(self) -> tuple[Standing, ...]:
        """Everybody at the top."""
        features = self.rows[list(FEATURES)].to_numpy()
        return tuple(
            Standing(known=(latency,), losses=tuple(losses), features=row, parameters=parameters)
            for latency, losses, row, parameters in zip(
                self.latencies.tolist(), self.losses.tolist(), features, self.rows["parameters"].tolist(), strict=True
            )
        )

    def search_table(self) -> SearchTable:
        """As the simulator reads it."""
        genes = list(self.rows.columns[: self.rows.columns.get_loc("architecture")])
        varied = [gene for gene in genes if self.rows[gene].nunique() > 1]
        rungs = [RungColumns(tokens, f"bits_per_byte_{tokens}", f"seconds_{tokens}") for tokens in self.ladder.tokens]
        return SearchTable(self.rows, tuple(varied), self.latency, tuple(rungs), features=FEATURES)

    def hypervolume(self, rows: Sequence[int]) -> float:
        """Of some rows at the top, up to the worst of the table."""
        points: list[Point] = [(float(self.latencies[row]), float(self.losses[row, -1])) for row in rows]
        return hypervolume(points, (float(self.latencies.max()), float(self.losses[:, -1].max())))


class Told(NamedTuple):
    """What a stopped trial was told, and the loss that it really has at the top."""

    loss: float
    sd: float
    true: float


@dataclass(frozen=True)
class Replay:
    """A search of some rows in order, with the number of rungs that each did."""

    table: Recorded
    order: tuple[int, ...]
    reached: tuple[int, ...]
    forecasts: tuple[Told, ...]

    @property
    def tokens(self) -> float:
        """The share of training all straight to the top."""
        return float(self._trained.mean()) / self.table.ladder.tokens[-1]

    @property
    def seconds(self) -> float:
        """The same in seconds."""
        each = self.table.seconds_per_token[list(self.order)]
        return float((self._trained * each).sum() / each.sum()) / self.table.ladder.tokens[-1]

    @property
    def hypervolume(self) -> float:
        """The share of that of all at the top."""
        return self.table.hypervolume(self._top) / self.table.hypervolume(self.order)

    @property
    def found(self) -> float:
        """The share of that of the whole table."""
        return self.table.hypervolume(self._top) / self.table.hypervolume(range(len(self.table.rows)))

    @property
    def on_rungs(self) -> FloatArray:
        """[rungs] how many did each."""
        reached = np.array(self.reached)
        return np.array([float((reached > rung).sum()) for rung in range(self._rungs)])

    @property
    def error(self) -> float:
        """Root mean square error of forecasts; NaN without any."""
        errors = [told.loss - told.true for told in self.forecasts]
        return float(np.sqrt(np.mean(np.square(errors)))) if errors else np.nan

    @property
    def covered(self) -> float:
        """The share of losses within two standard deviations of the forecast; NaN without any."""
        inside = [abs(told.loss - told.true) <= 2 * told.sd for told in self.forecasts]
        return float(np.mean(inside)) if inside else np.nan

    @property
    def _top(self) -> list[int]:
        return [row for row, reached in zip(self.order, self.reached, strict=True) if reached == self._rungs]

    @property
    def _rungs(self) -> int:
        return len(self.table.ladder.tokens)

    @cached_property
    def _trained(self) -> NDArray[np.float64]:
        work = np.cumsum(self.table.ladder.work(DECAY_SHARE))
        return work[np.array(self.reached) - 1]


def replay(table: Recorded, make_rule: MakeRule, seed: int, trials: int | None = None) -> Replay:
    """Rows in random order, the first ``trials`` of them, one after the other."""
    order = np.random.default_rng(seed).permutation(len(table.rows))[:trials]
    rule = make_rule(table.ladder, seed)
    reached, forecasts = [], []
    for index, row in enumerate(order):
        whole = table.standings[row]
        rungs = 1
        while rungs <= table.ladder.top and rule.goes_up(_at(whole, rungs), index):
            rungs += 1
        forecast = rule.forecast(_at(whole, rungs)) if rungs <= table.ladder.top else None
        if forecast is not None:
            forecasts.append(Told(forecast.loss, forecast.sd, whole.losses[-1]))
        rule.told(_at(whole, rungs))
        reached.append(rungs)
    return Replay(table, tuple(order.tolist()), tuple(reached), tuple(forecasts))


def search(table: Recorded, sampler: str, seed: int, trials: int) -> Replay:
    """The same by the engine of real searches, with a sampler by name."""
    records = [one for one in simulate(table.search_table(), sampler, trials=trials, seed=seed).records if one.trained]
    rows = tuple(int(record.fingerprint) for record in records)
    told = [
        Told(record.bits_per_byte, record.loss_sd, float(table.losses[row, -1]))
        for record, row in zip(records, rows, strict=True)
        if record.bits_per_byte is not None and record.loss_sd is not None
    ]
    return Replay(table, rows, tuple(len(record.rung_scores) for record in records), tuple(told))


def _at(standing: Standing, rungs: int) -> Standing:
    """As it stood after so many rungs."""
    return standing._replace(losses=standing.losses[:rungs])
