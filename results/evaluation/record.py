"""What an evaluation gave, and the file in which a run or a network keeps it."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nas_search.errors import InputError, first_problem, unreadable
from nas_search.files import write_text_atomic

EVALUATION_FILE = "evaluation.json"


class Score(BaseModel):
    """One metric of one task or group over ``n`` samples.

    ``value`` is None if it came out as no finite number, ``stderr`` (of the mean over samples, or bootstrapped) if the
    task has none. ``filter`` is how answers were read off generated text, ``none`` where they were not. ``version`` is
    the task's: figures compare only at equal version and ``shots``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: str
    version: str
    metric: str
    filter: str
    value: float | None
    stderr: float | None
    n: int
    shots: int
    higher_is_better: bool | None


class Settings(BaseModel):
    """What was asked: tasks, where they are defined beside lm-eval, samples of each (None: all) and examples before
    each question (None: as the task has it). The network reads ``max_length`` tokens at most.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    tasks: tuple[str, ...] = Field(min_length=1)
    include: tuple[str, ...] = ()
    limit_samples: int | None = Field(default=None, ge=1)
    shots: int | None = Field(default=None, ge=0)
    max_length: int = Field(default=2048, ge=2)
    seed: int = Field(default=1234, ge=0, lt=2**32)


class Evaluation(BaseModel):
    """The scores of one network.

    ``architecture`` is that of the weights; where they are a twin's, ``twin_of`` is the architecture in whose place it
    was trained. ``cut`` requests lost the beginning of their context to ``max_length``; ``longest`` is the most
    tokens that were read at once, ``trained_length`` what the training read at once, None if that is not known.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    origin: str
    architecture: str
    parameters: int
    twin_of: str | None
    weights_hash: str
    tokenizer: str
    settings: Settings
    cut: int
    longest: int
    trained_length: int | None
    device: str
    versions: dict[str, str]
    scores: tuple[Score, ...]

    @property
    def notes(self) -> list[str]:
        """What a reader of the scores should know: sentences."""
        notes = []
        if self.twin_of is not None:
            notes.append(f"The weights are those of a twin, {self.architecture}, trained in place of {self.twin_of}.")
        if self.cut:
            notes.append(f"{self.cut:,} contexts were longer than {self.settings.max_length:,} tokens and were cut.")
        if self.trained_length is not None and self.longest > self.trained_length:
            notes.append(f"Up to {self.longest:,} tokens were read at once; the training read {self.trained_length:,}.")
        return notes


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    evaluations: list[Evaluation]


def read_evaluations(folder: Path) -> list[Evaluation]:
    """Those kept in a run or with a network, oldest first. Raises InputError for a damaged file."""
    path = folder / EVALUATION_FILE
    try:
        return _File.model_validate_json(path.read_bytes()).evaluations
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {unreadable(error)}") from None
    except ValidationError as error:
        raise InputError(f"{path}: damaged ({first_problem(error)}); move it away") from None


def keep_evaluation(folder: Path, evaluation: Evaluation) -> Path:
    """Add it to the others in ``folder``; an earlier one of the same weights and settings is replaced.

    Raises InputError for a damaged file, OSError when nothing can be written.
    """
    same = (evaluation.weights_hash, evaluation.settings)
    others = [one for one in read_evaluations(folder) if (one.weights_hash, one.settings) != same]
    path = folder / EVALUATION_FILE
    write_text_atomic(path, _File(evaluations=[*others, evaluation]).model_dump_json(indent=1) + "\n")
    return path
