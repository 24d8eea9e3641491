"""What a study trains: its config, and the list of trainings that follows from it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from nas_search.errors import InputError, first_problem
from nas_search.proxies.recipe import TrainingRecipe
from nas_search.proxies.text_sources import EMBEDDED
from nas_search.proxies.tokenizer import BYTES
from nas_search.proxies.twin import TwinRule
from nas_search.search.rungs import Ladder
from nas_search.space.architecture import Architecture
from nas_search.yaml_text import parse_yaml

CONFIG_FILE, RECORDED = Path("config.yaml"), "recorded"
EXTENDS = "extends"
TrainDevice = Literal["cpu", "cuda"]


class Training(BaseModel):
    """One network, trained once, scored after each budget of ``tokens``; ``corpus`` is the hash of its text."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    architecture: str
    recipe: TrainingRecipe
    tokens: tuple[int, ...]
    seed: int
    corpus: str
    device: TrainDevice

    @cached_property
    def name(self) -> str:
        """Sixteen hexadecimal digits, equal exactly for equal trainings."""
        return hashlib.sha256(json.dumps(self.model_dump(mode="json")).encode()).hexdigest()[:16]

    @property
    def work(self) -> float:
        """Tokens that it trains on, every decay branch counted."""
        return sum(Ladder(self.tokens).work(self.recipe.decay_share))


class Arm(BaseModel):
    """What one side of a comparison does to every network."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipe: dict[str, Any] = Field(default_factory=dict)
    meta_tokens: int = Field(default=0, ge=0)
    widths: dict[int, int] = Field(default_factory=dict)

    def network(self, network: Architecture) -> Architecture:
        """What is trained in the place of a network: its twin if there are ``widths``. Raises InputError."""
        changed = network.model_copy(update={"meta_tokens": network.meta_tokens + self.meta_tokens})
        if not self.widths:
            return changed
        if network.width not in self.widths:
            raise InputError(f"widths: none for {network.width}, that of {network.notation}")
        try:
            return TwinRule(widths=self.widths, vocabulary=network.vocabulary).twin(changed)
        except ValidationError as error:
            raise InputError(f"widths: no twin of {network.notation}: {first_problem(error)}") from None


class Sweep(BaseModel):
    """Learning rates, of which each network and arm takes the best by a ``seed`` that is not reported."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    learning_rates: tuple[float, ...] = Field(min_length=2)
    seed: int = Field(ge=0)


class Latency(BaseModel):
    """A recorded latency table, relative to the study's folder, and the workload to predict by it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: Path
    workload: str


class StudyConfig(BaseModel):
    """A study as data.

    Every network (by name, in notation) is trained in every arm with every seed. ``networks_file`` has them instead
    where they are found by measuring. ``parameters_within`` claims that networks have equally many parameters, up to
    this share of the smallest. ``comparisons`` are pairs of networks: the first less the second. ``recorded_losses``
    is a CSV file that has losses of the same networks after shorter trainings.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    data: str = EMBEDDED
    tokenizer: str = BYTES
    tokens: tuple[int, ...] = Field(min_length=1)
    seeds: tuple[int, ...] = Field(min_length=1)
    recipe: dict[str, Any] = Field(default_factory=dict)
    networks: dict[str, str] = Field(default_factory=dict)
    networks_file: Path | None = None
    arms: dict[str, Arm] = Field(default_factory=lambda: {"": Arm()}, min_length=1)
    sweep: Sweep | None = None
    parameters_within: float | None = Field(None, gt=0)
    comparisons: tuple[tuple[str, str], ...] = ()
    latency: Latency | None = None
    recorded_losses: Path | None = None
    recorded_corpus: str | None = None

    @field_validator("tokens")
    @classmethod
    def _rising(cls, tokens: tuple[int, ...]) -> tuple[int, ...]:
        if list(tokens) != sorted(set(tokens)):
            raise ValueError(f"budgets must rise, not {list(tokens)}")
        return tokens

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if bool(self.networks) == bool(self.networks_file):
            raise ValueError("networks: give networks, or networks_file")
        for name in (name for pair in self.comparisons for name in pair):
            if self.networks and name not in self.networks:
                raise ValueError(f"comparisons: there is no network '{name}'")
        if self.sweep and self.sweep.seed in self.seeds:
            raise ValueError(f"sweep: seed {self.sweep.seed} is one of those that are reported")
        return self


class Member(NamedTuple):
    """A network of a study in one of its arms."""

    network: str
    arm: str


Loss = Callable[[Training], float | None]
"""The loss of a training after its last budget, infinite if it failed; None if it was not done yet."""


class Study:
    """A config, by its file or its folder, and what is trained on the text with hash ``corpus``."""

    def __init__(self, study: Path, corpus: str, device: TrainDevice) -> None:
        self.path, self.corpus, self.device = config_path(study), corpus, device
        self.config = read_config(study)

    @property
    def folder(self) -> Path:
        """What paths of the config are relative to."""
        return self.path.parent

    @property
    def recorded(self) -> Path:
        """The folder of what came out."""
        return recorded_folder(self.path)

    @cached_property
    def networks(self) -> dict[str, Architecture]:
        """By name. Raises InputError if they are not known yet."""
        return read_networks(self.folder, self.config)

    @property
    def members(self) -> list[Member]:
        """All networks in all arms."""
        return [Member(network, arm) for network in self.networks for arm in self.config.arms]

    def trainings(self, loss: Loss) -> Iterator[Training]:
        """All that are known by now, in the order in which they are done: seed by seed."""
        if self.config.sweep is not None:
            for member in self.members:
                yield from self.swept(member)
        for seed in self.config.seeds:
            for member in self.members:
                training = self.training(member, seed, loss)
                if training is not None:
                    yield training

    def training(self, member: Member, seed: int, loss: Loss) -> Training | None:
        """The training of a member that is reported; None while its learning rate is not chosen."""
        if self.config.sweep is None:
            return self._training(member, seed, {})
        rate = self.chosen_rate(member, loss)
        return None if rate is None else self._training(member, seed, {"learning_rate": rate})

    def chosen_rate(self, member: Member, loss: Loss) -> float | None:
        """The learning rate with the lowest loss, None until all are trained. Raises InputError if all failed."""
        assert self.config.sweep is not None
        losses = [loss(training) for training in self.swept(member)]
        known = [value for value in losses if value is not None]
        if len(known) < len(losses):
            return None
        if min(known) == float("inf"):
            raise InputError(f"{self.folder}: {member.network} {member.arm}: no learning rate of the sweep works")
        return self.config.sweep.learning_rates[known.index(min(known))]

    def swept(self, member: Member) -> list[Training]:
        """A member's trainings at all learning rates."""
        assert self.config.sweep is not None
        sweep = self.config.sweep
        return [self._training(member, sweep.seed, {"learning_rate": rate}) for rate in sweep.learning_rates]

    def _training(self, member: Member, seed: int, changes: dict[str, Any]) -> Training:
        arm = self.config.arms[member.arm]
        return Training(
            architecture=arm.network(self.networks[member.network]).notation,
            recipe=_recipe(self.path, {**self.config.recipe, **arm.recipe, **changes}),
            tokens=self.config.tokens,
            seed=seed,
            corpus=self.corpus,
            device=self.device,
        )


def config_path(study: Path) -> Path:
    """A config file, or that of a folder. Raises InputError for a file of another name."""
    path = study / CONFIG_FILE if study.is_dir() else study
    if not path.stem.startswith(CONFIG_FILE.stem):
        raise InputError(f"{study}: not a study; give its folder, or a file config*.yaml in it")
    return path


def recorded_folder(study: Path) -> Path:
    """Where what came out of a study is: in ``recorded``, that of ``config-large.yaml`` in ``recorded-large``."""
    path = config_path(study)
    return path.with_name(path.stem.replace(CONFIG_FILE.stem, RECORDED))


def read_config(study: Path) -> StudyConfig:
    """The config of a study, by its file or its folder; what it does not say, the file that it extends says.

    Raises InputError with the file and the field.
    """
    path = config_path(study)
    try:
        return StudyConfig.model_validate(_fields(path, ()))
    except ValidationError as error:
        raise InputError(f"{path}: {first_problem(error)}") from None


def _fields(path: Path, extending: tuple[Path, ...]) -> Any:
    """What the file says, and what it does not, the file that it extends."""
    fields = parse_yaml(_text(path), str(path))
    if not isinstance(fields, dict) or EXTENDS not in fields:
        return fields
    base = (path.parent / str(fields.pop(EXTENDS))).resolve()
    if base in extending:
        raise InputError(f"{path}: extends {base.name}, which extends this file")
    return _fields(base, (*extending, base)) | fields


def read_networks(folder: Path, config: StudyConfig) -> dict[str, Architecture]:
    """The networks of a config, by name. Raises InputError if they do not parse or were not measured yet."""
    notations = config.networks
    if config.networks_file is not None:
        path = folder / config.networks_file
        if not path.is_file():
            raise InputError(f"{path}: no such file; the networks of this study are measured first, see its README")
        found = parse_yaml(_text(path), str(path))
        rows = found.get("networks") if isinstance(found, dict) else None
        if not isinstance(rows, dict) or not all(
            isinstance(row, dict) and "architecture" in row for row in rows.values()
        ):
            raise InputError(f"{path}: each network needs an architecture")
        notations = {str(name): str(row["architecture"]) for name, row in rows.items()}
    return {name: Architecture.parse(notation) for name, notation in notations.items()}


def _recipe(path: Path, fields: dict[str, Any]) -> TrainingRecipe:
    try:
        return TrainingRecipe.model_validate(fields)
    except ValidationError as error:
        raise InputError(f"{path}: recipe: {first_problem(error)}") from None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {' '.join(str(error).split())}") from None
