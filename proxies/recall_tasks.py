"""Sequences with questions whose answers stand earlier in them."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nas_search.errors import InputError

NO_ANSWER = -1
LENGTH_OF_PAIR = 6
"""Tokens of an associative task for each pair: key and value, and four questions about it."""
TASK_FORMS = "recall, needle:LENGTH"
_SHORT = "recall"
_LENGTH = re.compile(r"[1-9][0-9]{0,6}")
Ids = NDArray[np.int64]


class Questions(NamedTuple):
    """``tokens`` [n, T], and ``answers`` [n, T]: the token that should follow, NO_ANSWER where nothing is asked."""

    tokens: Ids
    answers: Ids


@dataclass(frozen=True)
class RecallTask(ABC):
    """Sequences of ``length`` tokens with ``pairs`` of a key and a value.

    Keys, values and filler have ``kinds`` different tokens each, so that guessing a value is right once in ``kinds``.
    """

    name: ClassVar[str]
    length: int
    pairs: int
    kinds: int = 32

    def __post_init__(self) -> None:
        """Raises InputError for a task that cannot be made."""
        if not 1 <= self.pairs <= self.kinds:
            raise InputError(f"recall: {self.pairs} pairs; 1 to {self.kinds} are possible")
        if self.length < 2 * self.pairs + 1:
            raise InputError(
                f"recall: {self.pairs} pairs and a question need a length of {2 * self.pairs + 1} at least"
            )

    @property
    def vocabulary(self) -> int:
        """Number of different tokens: keys, then values, then filler."""
        return 3 * self.kinds

    @property
    @abstractmethod
    def objective(self) -> str:
        """The task's name as something that a search can ask for; :func:`parse_task` reads it."""

    @abstractmethod
    def draw(self, count: int, rng: np.random.Generator) -> Questions:
        """So many sequences."""

    def _keys_and_values(self, count: int, rng: np.random.Generator) -> tuple[Ids, Ids]:
        """[count, pairs] each, none twice in a sequence."""
        keys, values = (
            rng.permuted(np.tile(np.arange(self.kinds), (count, 1)), axis=1)[:, : self.pairs] for _ in range(2)
        )
        return keys, self.kinds + values


@dataclass(frozen=True)
class AssociativeRecall(RecallTask):
    """Multi-query associative recall (Arora et al. 2023, "Zoology"): all pairs, then every key again and again.

    There are no gaps between questions, so that a short training sees many.
    """

    name = "associative"
    length: int = 48
    pairs: int = 8

    @property
    def objective(self) -> str:
        """``recall``."""
        return _SHORT

    def draw(self, count: int, rng: np.random.Generator) -> Questions:
        """So many sequences; each key is asked for about as often as the others."""
        keys, values = self._keys_and_values(count, rng)
        asked = self.length - 2 * self.pairs
        rounds = -(-asked // self.pairs)
        order = np.concatenate(
            [rng.permuted(np.tile(np.arange(self.pairs), (count, 1)), axis=1) for _ in range(rounds)], axis=1
        )[:, :asked]
        tokens = np.concatenate(
            [np.stack([keys, values], axis=2).reshape(count, -1), np.take_along_axis(keys, order, axis=1)], axis=1
        )
        answers = np.full_like(tokens, NO_ANSWER)
        answers[:, 2 * self.pairs :] = np.take_along_axis(values, order, axis=1)
        return Questions(tokens, answers)


@dataclass(frozen=True)
class Needle(RecallTask):
    """Pairs somewhere in the first quarter of a long filler; the last token asks for one of them."""

    name = "needle"
    length: int = 256
    pairs: int = 1

    def __post_init__(self) -> None:
        """Raises InputError for a task that cannot be made."""
        super().__post_init__()
        if self.length // 4 < 2 * self.pairs:
            raise InputError(f"recall: {self.pairs} pairs for a needle need a length of {8 * self.pairs}")

    @property
    def objective(self) -> str:
        """``needle:256``, with the length."""
        return f"{self.name}:{self.length}"

    def draw(self, count: int, rng: np.random.Generator) -> Questions:
        """So many sequences."""
        keys, values = self._keys_and_values(count, rng)
        tokens = 2 * self.kinds + rng.integers(self.kinds, size=(count, self.length))
        slots = rng.permuted(np.tile(np.arange(self.length // 8), (count, 1)), axis=1)[:, : self.pairs]
        np.put_along_axis(tokens, 2 * slots, keys, axis=1)
        np.put_along_axis(tokens, 2 * slots + 1, values, axis=1)
        tokens[:, -1] = keys[:, 0]
        answers = np.full_like(tokens, NO_ANSWER)
        answers[:, -1] = values[:, 0]
        return Questions(tokens, answers)


TASKS: dict[str, type[RecallTask]] = {task.name: task for task in (AssociativeRecall, Needle)}


def is_task(text: str) -> bool:
    """Whether a text is meant to be one of TASK_FORMS."""
    return text.partition(":")[0] in {_SHORT, Needle.name}


def parse_task(text: str, pairs: int = AssociativeRecall.pairs) -> RecallTask:
    """The task that one of TASK_FORMS asks for; ``recall`` is associative, with so many pairs. Raises InputError."""
    if text == _SHORT:
        return AssociativeRecall(length=LENGTH_OF_PAIR * pairs, pairs=pairs)
    name, _, length = text.partition(":")
    if name != Needle.name or not _LENGTH.fullmatch(length):
        raise InputError(f"{text!r} is not one of {TASK_FORMS}, such as needle:512")
    return Needle(length=int(length))
