"""Trainings that were done: a small JSON file each, named by what was trained, written whole or not at all."""

from __future__ import annotations

from pathlib import Path

from plan import Training
from pydantic import BaseModel, ConfigDict, ValidationError

from nas_search.errors import InputError, first_problem
from nas_search.files import write_text_atomic


class Scored(BaseModel):
    """After one budget: bits per byte, or why there is no loss, and the seconds since the budget before."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tokens: int
    bits_per_byte: float | None
    seconds: float
    failure: str | None = None


class Shard(BaseModel):
    """A training, what it was done on, and its scores; the last budgets are missing if it failed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    training: Training
    machine: str
    torch: str
    scores: tuple[Scored, ...]

    @property
    def failure(self) -> str | None:
        """Why it did not come to its end."""
        return self.scores[-1].failure

    @property
    def loss(self) -> float:
        """Bits per byte after the last budget, infinite if it failed."""
        last = self.scores[-1].bits_per_byte
        return float("inf") if last is None else last

    @property
    def seconds_per_token(self) -> float:
        """Over the whole training."""
        return sum(scored.seconds for scored in self.scores) / self.training.work


class Shards:
    """The shards in a folder, which need not be there yet."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._found = {path.stem: _read(path) for path in sorted(folder.glob("*.json"))}

    def get(self, training: Training) -> Shard | None:
        """The shard of a training, None if it was not done yet."""
        return self._found.get(training.name)

    def loss(self, training: Training) -> float | None:
        """The loss after the last budget, infinite if the training failed; None if it was not done yet."""
        shard = self.get(training)
        return None if shard is None else shard.loss

    def add(self, shard: Shard) -> None:
        """Keep it. Raises OSError if it cannot be written."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_text_atomic(self.folder / f"{shard.training.name}.json", shard.model_dump_json(indent=1) + "\n")
        self._found[shard.training.name] = shard

    def only_text(self) -> str:
        """The hash of the text of all of them. Raises InputError if there is none, or more than one."""
        texts = sorted({shard.training.corpus for shard in self._found.values()})
        if not texts:
            raise InputError(f"{self.folder}: no training is recorded; do them with train.py")
        if len(texts) > 1:
            raise InputError(f"{self.folder}: trainings on {len(texts)} texts; say which, --text {' or '.join(texts)}")
        return texts[0]

    def seconds_per_token(self) -> dict[str, float]:
        """Of each architecture that was trained, the last that was."""
        return {shard.training.architecture: shard.seconds_per_token for shard in self._found.values()}


def _read(path: Path) -> Shard:
    try:
        shard = Shard.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise InputError(
            f"{path}: damaged ({first_problem(error)}); delete it, and the training is done again"
        ) from None
    if shard.training.name != path.stem:
        raise InputError(f"{path}: has another training than its name says; delete it")
    return shard
