"""The question asked of a device: how long does this take, how much of it a second, with how much memory and energy?"""

from __future__ import annotations

import re
from typing import Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from nas_search.errors import InputError, first_problem
from nas_search.profiler.precision import DType, Precision

Kind = Literal["decode", "prefill", "generate", "throughput", "memory", "energy"]

MAX_BATCH = 1 << 16
FORMS = (
    "decode:256 (tokens of context), prefill:512 (tokens), generate:128,prompt=64 (new tokens), "
    "throughput:32768, memory:32768, energy:256 (tokens of context)"
)
HEAD = re.compile(r"(?P<kind>[a-z]+)(?::(?P<tokens>[0-9]+))?\Z")
_COMMON = ("batch", "dtype", "state")
OPTIONS: dict[Kind, tuple[str, ...]] = dict.fromkeys(get_args(Kind), _COMMON) | {"generate": (*_COMMON, "prompt")}
UNITS: dict[Kind, str] = {
    "decode": "ms/token",
    "prefill": "ms",
    "generate": "ms",
    "throughput": "tokens/s",
    "memory": "MiB",
    "energy": "mJ/token",
}
LATENCIES: frozenset[Kind] = frozenset({"decode", "prefill", "generate"})


class Workload(BaseModel):
    """One of six questions, which never share a figure.

    * ``decode``: one step for each of ``batch`` sequences that already hold ``prompt`` tokens, in ms/token;
    * ``prefill``: the pass over ``prompt`` tokens that yields the first new token, in ms;
    * ``generate``: a prefill of ``prompt`` tokens and ``new_tokens`` new ones, in ms;
    * ``throughput``: new tokens a second of as many sequences of ``prompt`` tokens as fit, at most ``batch``;
    * ``memory``: the most that is in use at once for ``batch`` sequences of ``prompt`` tokens, in MiB;
    * ``energy``: that of one step of ``batch`` sequences that hold ``prompt`` tokens, for each new token, in mJ/token.

    Weights, activations and KV caches are in ``dtype``, recurrent memories in ``state``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    batch: int = Field(1, ge=1, le=MAX_BATCH)
    prompt: int = Field(1, ge=1, le=2**24)
    new_tokens: int = Field(0, ge=0, le=2**24)
    dtype: DType = "float32"
    state: DType = "float32"

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, data: Any) -> Any:
        """What a kind implies: one new token of a step; no limit of a batch that is as large as fits."""
        if not isinstance(data, dict):
            return data
        implied: dict[str, Any] = {}
        if data.get("kind") in {"decode", "throughput", "energy"}:
            implied["new_tokens"] = 1
        if data.get("kind") == "throughput":
            implied["batch"] = MAX_BATCH
        return {**implied, **data}

    @model_validator(mode="after")
    def _fields_fit(self) -> Self:
        least, most = {"generate": (1, 2**24), "prefill": (0, 0), "memory": (0, 0)}.get(self.kind, (1, 1))
        if not least <= self.new_tokens <= most:
            raise ValueError(f"new_tokens={self.new_tokens} makes no sense for {self.kind}")
        if self.state not in {"float32", self.dtype}:
            raise ValueError(f"state={self.state} makes no sense for dtype={self.dtype}; float32 or the same")
        return self

    @classmethod
    def parse(cls, text: str, dtype: DType = "float32") -> Workload:
        """The workload written as ``text``, see FORMS; in ``dtype`` unless it names one.

        Raises InputError with one line.
        """
        head, *options = text.strip().split(",")
        match = HEAD.match(head)
        kinds: dict[str, Kind] = {kind: kind for kind in get_args(Kind)}
        if match is None or match["kind"] not in kinds or match["tokens"] is None:
            what = f"{head!r} is " if options else ""
            raise InputError(f"workload {text!r}: {what}not one of {FORMS}")
        kind = kinds[match["kind"]]
        values: dict[str, Any] = {"kind": kind, "new_tokens" if kind == "generate" else "prompt": match["tokens"]}
        for option in options:
            name, value = _parse_option(text, kind, option)
            if name in values:
                raise InputError(f"workload {text!r}: {name} is given twice")
            values[name] = value
        return _validated(text, {"dtype": dtype, **values})

    def __str__(self) -> str:
        """The canonical form that :meth:`parse` reads back."""
        parts = [f"{self.kind}:{self.new_tokens if self.kind == 'generate' else self.prompt}"]
        if self.kind == "generate":
            parts.append(f"prompt={self.prompt}")
        if self.batch != (MAX_BATCH if self.kind == "throughput" else 1):
            parts.append(f"batch={self.batch}")
        parts += [f"{name}={getattr(self, name)}" for name in ("dtype", "state") if getattr(self, name) != "float32"]
        return ",".join(parts)

    @property
    def unit(self) -> str:
        """Of the workload's figure."""
        return UNITS[self.kind]

    @property
    def higher_is_better(self) -> bool:
        """True for a throughput alone."""
        return self.kind == "throughput"

    @property
    def is_latency(self) -> bool:
        """Whether the figure is a time in milliseconds."""
        return self.kind in LATENCIES

    @property
    def precision(self) -> Precision:
        """Number formats of weights, caches and memories."""
        return Precision.of(self.dtype, self.state)


def _parse_option(text: str, kind: Kind, option: str) -> tuple[str, str]:
    name, equals, value = option.partition("=")
    if not equals or name not in OPTIONS[kind]:
        known = ", ".join(f"{name}=..." for name in OPTIONS[kind])
        raise InputError(f"workload {text!r}: {option!r} is not an option of {kind}; there are {known}")
    if name not in {"dtype", "state"} and not (value.isascii() and value.isdigit()):
        raise InputError(f"workload {text!r}: {name}={value!r} is not a whole number")
    return name, value


def _validated(text: str, values: dict[str, Any]) -> Workload:
    try:
        return Workload.model_validate(values)
    except ValidationError as error:
        raise InputError(f"workload {text!r}: {first_problem(error)}") from None
