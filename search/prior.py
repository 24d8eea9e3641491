"""What other runs found out about members of this space, kept in one file of the run directory.

It is written once, before trial 0: from then on the run needs the other runs no more, and does not see what becomes
of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nas_search.errors import InputError
from nas_search.files import write_text_atomic
from nas_search.search.config import content_hash
from nas_search.search.problem import FloatArray, PriorSource
from nas_search.space.architecture import Architecture
from nas_search.space.genome import Choice
from nas_search.space.search_space import SearchSpace

PRIOR = "warm_start.json"
Features = Callable[[Sequence[Architecture]], FloatArray]
"""[n, k] numbers that describe n architectures to a model of their loss."""


class PriorTrial(BaseModel):
    """An architecture of this space with the loss that it had in another run, in bits per byte.

    ``genome`` builds it, but for its width where this space derives widths. ``loss_sd`` is the standard deviation of an
    extrapolated loss, zero for one that was reached.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    genome: tuple[Choice, ...]
    architecture: str
    bits_per_byte: float = Field(allow_inf_nan=False)
    loss_sd: float = Field(ge=0, allow_inf_nan=False)

    def within(self, space: SearchSpace) -> PriorTrial | None:
        """The same with the genome of another space; None if the architecture is not in it."""
        try:
            return self.model_copy(update={"genome": space.encode(Architecture.parse(self.architecture))})
        except InputError:
            return None


class PriorRun(BaseModel):
    """The scored trials of another run.

    With ``same_score`` the losses are the very quantity of this search: equal text, tokens, recipe and twins.
    ``outside`` counts scored architectures that are not in this space. There are no trials if runs given before have
    them all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    same_score: bool
    outside: int
    trials: tuple[PriorTrial, ...]

    def within(self, space: SearchSpace) -> PriorRun:
        """The same with the trials that a smaller space has, and its genomes."""
        found = [trial.within(space) for trial in self.trials]
        trials = tuple(trial for trial in found if trial is not None)
        return self.model_copy(update={"trials": trials, "outside": self.outside + len(found) - len(trials)})

    @property
    def summary(self) -> str:
        """What there is, in one line."""
        score = "same score" if self.same_score else "another score, it only informs"
        outside = f", {_count(self.outside, 'architecture')} not in this space" if self.outside else ""
        return f"{_count(len(self.trials), 'trial')} of {self.name} ({score}){outside}"

    def source(self, features: Features) -> PriorSource:
        """As samplers see it."""
        return PriorSource(
            name=self.name,
            same_score=self.same_score,
            genomes=tuple(trial.genome for trial in self.trials),
            features=features([Architecture.parse(trial.architecture) for trial in self.trials]),
            losses=np.array([trial.bits_per_byte for trial in self.trials], dtype=np.float64),
            loss_sd=np.array([trial.loss_sd for trial in self.trials], dtype=np.float64),
        )


class Prior(BaseModel):
    """What a search was warm-started with: nothing, or some runs in the order in which they were given."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    runs: tuple[PriorRun, ...] = ()

    @classmethod
    def load(cls, path: Path) -> Prior:
        """Read a run's file. Raises InputError if it is missing or damaged."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError):
            raise InputError(f"{path}: damaged, not what this run was warm-started with") from None

    def save(self, path: Path) -> None:
        """Write a run's file, whole or not at all."""
        write_text_atomic(path, self.model_dump_json() + "\n")

    @property
    def hash(self) -> str | None:
        """Of all that a search can depend on, so not of names; None if there is nothing."""
        known = [run.model_dump(mode="json", exclude={"name"}) for run in self.runs]
        return content_hash(known) if known else None

    def within(self, space: SearchSpace) -> Prior:
        """What is known of a smaller space."""
        return Prior(runs=tuple(run.within(space) for run in self.runs))

    def sources(self, features: Features) -> tuple[PriorSource, ...]:
        """As samplers see it."""
        return tuple(run.source(features) for run in self.runs if run.trials)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
