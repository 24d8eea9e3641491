"""What a search is asked to do: one frozen model, stored as config.yaml in the run directory."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from nas_search.errors import InputError, first_problem
from nas_search.proxies.recall_result import RecallRecipe
from nas_search.proxies.recipe import TrainingRecipe
from nas_search.proxies.text_sources import EMBEDDED
from nas_search.search.samplers.options import SamplerOptions
from nas_search.search.train_device import CPU, TRAIN_PARAMETERS, TrainDevice, resolve_train_device
from nas_search.search.two_stage import TwoStage
from nas_search.space.package_data import is_file_name
from nas_search.yaml_text import parse_yaml

# A run may go on with other values of these: they say when to stop and how fast to work, not what to find.
MAY_CHANGE = frozenset(
    {
        "trials",
        "proposals",
        "hours",
        "workers",
        "confirm_members",
        "strict_kernels",
        "columns",
        "executor",
        "ray_address",
        "workers_per_gpu",
        "stall_minutes",
    }
)
PROPOSALS_PER_TRIAL = 20
MOST = 10**18
"""Of anything that is counted."""
LONGEST_NAME = 200
"""Of a study in a storage."""
CONFIRM_TOKENS_FACTOR = 2


class SearchConfig(BaseModel):
    """Everything that a search depends on, apart from the texts, tables and versions that it finds.

    ``trials`` counts trained candidates, ``proposals`` everything that the sampler proposed (default 20 for each
    trial), ``hours`` is the time until the last proposal. ``tokens`` is the training budget of the top rung,
    ``lowest_rung`` the smallest budget at which losses are compared at all. With ``deterministic`` proposal n
    sees exactly proposals 0 to n - ``workers``. With ``strict_kernels`` a search on a GPU does not begin if an operator
    would run a slower kernel than it could.

    ``objectives`` are what is traded: ``loss``, ``parameters``, workloads or recall tasks; the search's own workload
    always is one, and without any the loss is the other. ``limits`` are on what is predicted (``memory:1024<=64MiB``)
    or on recall (``recall>=0.9``), and ``latency_budget`` is the limit on ``workload``. ``columns`` are recall tasks of
    which only confirmed members are asked; ``recall`` says how networks are trained on these tasks.

    With ``two_stage`` a scaling law chooses depth and width under the latency budget; then operators are searched for.

    Latency is that of ``device``; with ``estimate`` published rates will do where it is neither here nor in a table.
    Training runs on ``train_device`` (``auto``: on CUDA if PyTorch sees it), and networks with more than
    ``train_parameters``, or too big for its memory, are scored as twins.

    ``warm_start`` are directories of other runs, whose losses inform the sampler.

    ``storage`` is the URL of a database that holds the study, without its password; without one it is a file of the
    run directory. Several drivers may be at the ``study`` of this name there, each in a run directory of its own.

    Jobs run in ``workers`` processes of this machine, or with the executor ``ray`` on the cluster at ``ray_address``
    (``auto`` or HOST:PORT; without one on a Ray of this machine's own), ``workers_per_gpu`` of them on each GPU. A job
    without any sign of progress for ``stall_minutes`` hangs: its worker is killed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: str = "cpu"
    estimate: bool = False
    train_device: Literal["auto", "cpu", "cuda"] = "auto"
    train_parameters: int | None = Field(None, ge=1, le=MOST)
    space: str = "cpu"
    workload: str = "decode:256"
    objectives: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    latency_budget: str | None = None
    sampler: str = "bayes"
    sampler_options: SamplerOptions = Field(default_factory=lambda: SamplerOptions.model_validate({}))
    trials: int = Field(24, ge=1, le=MOST)
    proposals: int | None = Field(None, ge=1, le=MOST)
    hours: float | None = Field(None, gt=0)
    tokens: int = Field(3 * 65_536, ge=1, le=MOST)
    lowest_rung: int = Field(16_384, ge=1, le=MOST)
    data: str = "embedded"
    tokenizer: str = "bytes"
    workers: int | None = Field(None, ge=1, le=65_536)
    seed: int = Field(0, ge=0, lt=2**32)
    deterministic: bool = False
    table: Path | None = None
    warm_start: tuple[Path, ...] = ()
    storage: str | None = None
    study: str | None = Field(None, min_length=1, max_length=LONGEST_NAME)
    confirm_members: int = Field(4, ge=0)
    confirm_tokens: int | None = Field(None, ge=1, le=MOST)
    confirm_seeds: int = Field(2, ge=1, le=16)
    strict_kernels: bool = False
    two_stage: TwoStage | None = None
    recall: RecallRecipe = Field(default_factory=lambda: RecallRecipe.model_validate({}))
    executor: Literal["local", "ray"] = "local"
    ray_address: str | None = None
    workers_per_gpu: int = Field(1, ge=1, le=64)
    stall_minutes: float = Field(30.0, gt=0)
    recipe: TrainingRecipe = Field(default_factory=lambda: TrainingRecipe.model_validate({}))

    @model_validator(mode="after")
    def _enough_proposals(self) -> Self:
        if self.proposals is not None and self.proposals < self.trials:
            raise ValueError(f"proposals: {self.proposals} cannot give {self.trials} trials; at least as many")
        return self

    @field_validator("storage")
    @classmethod
    def _without_password(cls, url: str | None) -> str | None:
        if url is None:
            return None
        from nas_search.search.storage.url import public_url

        return public_url(url)

    @model_validator(mode="after")
    def _study_in_a_storage(self) -> Self:
        if self.study is not None and self.storage is None:
            raise ValueError(f"study: '{self.study}' names a study in a storage; give storage with it")
        return self

    @model_validator(mode="after")
    def _budget_of_two_stages(self) -> Self:
        if self.two_stage is not None and self.latency_budget is None:
            raise ValueError("two_stage: depth and width are chosen for a latency; give latency_budget")
        return self

    @model_validator(mode="after")
    def _each_run_once(self) -> Self:
        if len(set(self.warm_start)) < len(self.warm_start):
            raise ValueError(f"warm_start: {', '.join(map(str, self.warm_start))}: give each run once")
        return self

    @model_validator(mode="after")
    def _ray_for_ray(self) -> Self:
        if self.executor != "ray" and (self.ray_address is not None or self.workers_per_gpu > 1):
            name = "workers_per_gpu" if self.ray_address is None else "ray_address"
            raise ValueError(f"{name}: only Ray has a use for it; give executor ray with it")
        return self

    @classmethod
    def checked(cls, fields: dict[str, Any], where: str = "search configuration") -> SearchConfig:
        """Validate ``fields``; an InputError names ``where`` and the field."""
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            raise InputError(f"{where}: {first_problem(error)}") from None

    @classmethod
    def from_yaml(cls, text: str, where: str) -> SearchConfig:
        """From YAML text. Raises InputError that names ``where``."""
        fields = parse_yaml(text, where)
        if not isinstance(fields, dict):
            raise InputError(f"{where}: not a mapping of fields to values")
        return cls.checked(fields, where)

    def to_yaml(self) -> str:
        """As YAML that :meth:`from_yaml` reads."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)

    def resolved(self, train_device: TrainDevice | None = None, room: int | None = None) -> SearchConfig:
        """With every default that depends on the machine or on other fields filled in, and files by their full path.

        Where training runs elsewhere than here, ``train_device`` says on what, and ``room`` for how many workers.
        """
        train_device = train_device or resolve_train_device(self.train_device)
        return self.model_copy(
            update={
                "train_device": train_device,
                "train_parameters": self.train_parameters or TRAIN_PARAMETERS[train_device],
                "space": _full_path(self.space) if is_file_name(self.space) else self.space,
                "data": self.data if self.data == EMBEDDED else _full_path(self.data),
                "table": None if self.table is None else self.table.absolute(),
                "two_stage": None if self.two_stage is None else self.two_stage.resolved(),
                "warm_start": tuple(path.absolute() for path in self.warm_start),
                "latency_budget": self._budget_path(),
                "proposals": self.proposals or PROPOSALS_PER_TRIAL * self.trials,
                "workers": self.workers or room or (available_cores() if train_device == CPU else 1),
                "confirm_tokens": self.confirm_tokens or CONFIRM_TOKENS_FACTOR * self.tokens,
            }
        )

    def _budget_path(self) -> str | None:
        """The budget; that of an architecture's file with its full path."""
        budget = self.latency_budget
        return _full_path(budget) if budget is not None and is_file_name(budget) else budget

    @property
    def worker_count(self) -> int:
        """Worker processes."""
        return self.workers or available_cores()

    @property
    def largest_budget(self) -> int:
        """Training tokens of the network that gets most of them."""
        return max(self.tokens, self.confirm_tokens or 0 if self.confirm_members else 0)

    def conflict_with(self, stored: SearchConfig, but: frozenset[str] = frozenset()) -> str | None:
        """The first field, ``but`` some, in which a resumed run differs from ``stored`` and must not; None if none.

        The number of workers only matters to what a deterministic search finds.
        """
        fixed = [name for name in type(self).model_fields if name not in MAY_CHANGE | but]
        if self.deterministic:
            fixed.append("workers")
        mine, theirs = self.model_dump(mode="json"), stored.model_dump(mode="json")
        return next((name for name in fixed if mine[name] != theirs[name]), None)

    def shown(self, field: str) -> str:
        """The value of a field, for messages."""
        return str(self.model_dump(mode="json")[field])


def _full_path(name: str) -> str:
    """The full path of a file or folder that is there; anything else stays as it is."""
    try:
        return str(Path(name).absolute()) if Path(name).exists() else name
    except (OSError, ValueError):
        return name


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def content_hash(value: Any) -> str:
    """Sixteen hexadecimal digits for JSON-able ``value``."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
