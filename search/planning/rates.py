"""What trainings took and gave: of a run that is done, or of the recording that ships with the package."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from pydantic import BaseModel, ConfigDict

from nas_search.errors import InputError
from nas_search.proxies.recipe import TrainingRecipe
from nas_search.search.problem import FloatArray
from nas_search.search.rungs import Ladder
from nas_search.search.study import Study
from nas_search.search.trial import TrialRecord
from nas_search.space.architecture import Architecture
from nas_search.space.search_space import SearchSpace, load_space
from nas_search.yaml_text import parse_yaml

RECORDED = "nas_search.search.planning"
FORWARD_SHARE = 1 / 3
"""Of the work of training on a token: that of a token of held-out text, on which there is no backward pass."""
FEWEST = 6
"""So few trained trials still say how seconds grow with the size of a network."""
Trained = Callable[[Architecture], Architecture]
"""The network that is trained in the place of an architecture: itself, or its twin."""


class DriverRates(BaseModel):
    """What the driver and the jobs beside training take, as recorded on a CPU.

    ``table_seconds`` per operator, width and workload; ``measuring_seconds`` per network and workload;
    ``driver_seconds`` per proposal beside the sampler; ``thinking`` has the sampler's seconds by trials in the study.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    table_seconds: float
    measuring_seconds: float
    driver_seconds: float
    thinking: dict[str, dict[int, float]]

    def proposal_seconds(self, sampler: str, proposals: int) -> float:
        """What a proposal takes after so many; beyond the recorded sizes it grows as between the last two."""
        sizes, seconds = (np.array(list(values)) for values in zip(*self.thinking[sampler].items(), strict=True))
        slope = max(np.log(seconds[-1] / seconds[-2]) / np.log(sizes[-1] / sizes[-2]), 0.0)
        beyond = max(proposals / sizes[-1], 1.0) ** slope
        return float(np.interp(proposals, sizes, seconds) * beyond) + self.driver_seconds


@dataclass(frozen=True, eq=False)
class TrainingRates:
    """Trainings of n networks, some of the members of ``space``.

    ``seconds_per_token`` [n] is that of training; ``losses`` [n, rungs] are in bits per byte at ``shares`` [rungs] of
    the tokens of the top rung; ``latencies`` [n] in milliseconds. ``trained`` says what is trained of a member.
    """

    source: str
    space: SearchSpace
    trained: Trained
    networks: tuple[Architecture, ...]
    seconds_per_token: FloatArray
    shares: FloatArray
    losses: FloatArray
    latencies: FloatArray


def work_tokens(tokens: float, recipe: TrainingRecipe) -> float:
    """Training on so many tokens, and the score that ends it, in tokens of training."""
    return tokens + FORWARD_SHARE * recipe.validation_tokens


@cache
def driver_rates() -> DriverRates:
    """Those that ship with the package."""
    return DriverRates.model_validate(parse_yaml(_packaged("driver.yaml"), "driver.yaml"))


@cache
def recorded_rates() -> TrainingRates:
    """Those that ship with the package: random members of the space ``cpu``, on one core each."""
    lines = _packaged("cpu.csv").splitlines()
    source = " ".join(line.removeprefix("#").strip() for line in lines if line.startswith("#"))
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    tokens = tuple(int(name.removeprefix("seconds_")) for name in rows[0] if name.startswith("seconds_"))
    recipe = TrainingRecipe.model_validate({})
    work = sum(work_tokens(part, recipe) for part in Ladder(tokens).work(recipe.decay_share))
    return TrainingRates(
        source=source,
        space=load_space("cpu"),
        trained=_itself,
        networks=tuple(Architecture.parse(row["architecture"]) for row in rows),
        seconds_per_token=np.array([sum(float(row[f"seconds_{part}"]) for part in tokens) for row in rows]) / work,
        shares=np.array(tokens) / tokens[-1],
        losses=np.array([[float(row[f"bits_per_byte_{part}"]) for part in tokens] for row in rows]),
        latencies=np.array([float(row["latency_ms"]) for row in rows]),
    )


def run_rates(study: Study) -> TrainingRates:
    """Those of a run's own trials; what a stopped one would have reached is what it was told.

    Raises InputError if too few were trained here to the end of a rung.
    """
    ladder = Ladder.build(study.config.tokens, study.config.lowest_rung)
    records = [record for record in study.records() if record.trained_here and record.rung_scores and record.seconds]
    records = [record for record in records if record.bits_per_byte is not None]
    if len(records) < FEWEST:
        raise InputError(
            f"{study.run_dir}: {len(records)} of its trials were trained here; rates need at least {FEWEST}; "
            "without --from they are those that ship with the package"
        )
    shares = np.array(ladder.tokens) / ladder.tokens[-1]
    twins = study.facts.twins if study.facts else None
    return TrainingRates(
        source=f"{len(records)} trials of {study.run_dir}, on {study.config.train_device}",
        space=study.space,
        trained=twins.twin if twins else _itself,
        networks=tuple(Architecture.parse(record.trained_as) for record in records),
        seconds_per_token=np.array([record.seconds / _work(record, ladder, study.config.recipe) for record in records]),
        shares=shares,
        losses=np.array([_whole_curve(record, shares) for record in records]),
        latencies=np.array([record.latency_ms for record in records]),
    )


def _whole_curve(record: TrialRecord, shares: FloatArray) -> FloatArray:
    """[rungs] what was reached, the loss at the top that was told, and between them a line in logarithms."""
    reached = len(record.rung_scores)
    known = np.array([*record.rung_scores, record.bits_per_byte], dtype=np.float64)[: len(shares)]
    at = np.append(shares[:reached], shares[-1])[: len(shares)]
    return np.asarray(np.exp(np.interp(np.log(shares), np.log(at), np.log(known))), dtype=np.float64)


def _work(record: TrialRecord, ladder: Ladder, recipe: TrainingRecipe) -> float:
    parts = ladder.work(recipe.decay_share)[: len(record.rung_scores)]
    return sum(work_tokens(part, recipe) for part in parts)


def _itself(architecture: Architecture) -> Architecture:
    return architecture


def _packaged(name: str) -> str:
    return (files(RECORDED) / "rates" / name).read_text(encoding="utf-8")
