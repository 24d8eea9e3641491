"""The question asked of a device: how long does this take?"""

from __future__ import annotations

import re
from typing import Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from nas_search.errors import InputError, first_problem

Kind = Literal["decode", "prefill", "generate"]
DType = Literal["float32"]

FORMS = "decode:256 (tokens of context), prefill:512 (tokens), generate:128,prompt=64 (new tokens)"
HEAD = re.compile(r"(?P<kind>[a-z]+)(?::(?P<tokens>[0-9]+))?\Z")
OPTIONS: dict[str, tuple[str, ...]] = {
    "decode": ("batch", "dtype"),
    "prefill": ("batch", "dtype"),
    "generate": ("batch", "dtype", "prompt"),
}


class Workload(BaseModel):
    """One of three questions, which never share a figure.

    * ``decode``: one step for each of ``batch`` sequences that already hold ``prompt`` tokens, in ms/token;
    * ``prefill``: the pass over ``prompt`` tokens that yields the first new token, in ms;
    * ``generate``: a prefill of ``prompt`` tokens and ``new_tokens`` new ones, in ms.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    batch: int = Field(1, ge=1, le=4096)
    prompt: int = Field(1, ge=1, le=2**24)
    new_tokens: int = Field(0, ge=0, le=2**24)
    dtype: DType = "float32"

    @model_validator(mode="before")
    @classmethod
    def _fill_new_tokens(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("kind") == "decode":
            return {"new_tokens": 1, **data}
        return data

    @model_validator(mode="after")
    def _new_tokens_fit_kind(self) -> Self:
        expected = {"decode": self.new_tokens == 1, "prefill": self.new_tokens == 0, "generate": self.new_tokens >= 1}
        if not expected[self.kind]:
            raise ValueError(f"new_tokens={self.new_tokens} makes no sense for {self.kind}")
        return self

    @classmethod
    def parse(cls, text: str) -> Workload:
        """The workload written as ``text``, see FORMS. Raises InputError with one line."""
        head, *options = text.strip().split(",")
        match = HEAD.match(head)
        if match is None or match["kind"] not in get_args(Kind) or match["tokens"] is None:
            raise InputError(f"workload {text!r}: {head!r} is not one of {FORMS}")
        kind = match["kind"]
        values: dict[str, Any] = {"kind": kind, "new_tokens" if kind == "generate" else "prompt": match["tokens"]}
        for option in options:
            name, value = _parse_option(text, kind, option)
            if name in values:
                raise InputError(f"workload {text!r}: {name} is given twice")
            values[name] = value
        return _validated(text, values)

    def __str__(self) -> str:
        """The canonical form that :meth:`parse` reads back."""
        tokens = self.new_tokens if self.kind == "generate" else self.prompt
        parts = [f"{self.kind}:{tokens}"]
        if self.kind == "generate":
            parts.append(f"prompt={self.prompt}")
        parts += [
            f"{name}={getattr(self, name)}"
            for name in ("batch", "dtype")
            if getattr(self, name) != Workload.model_fields[name].default
        ]
        return ",".join(parts)

    @property
    def unit(self) -> str:
        """``ms/token`` for decode, ``ms`` for the others."""
        return "ms/token" if self.kind == "decode" else "ms"


def _parse_option(text: str, kind: str, option: str) -> tuple[str, str]:
    name, equals, value = option.partition("=")
    if not equals or name not in OPTIONS[kind]:
        known = ", ".join(f"{name}=..." for name in OPTIONS[kind])
        raise InputError(f"workload {text!r}: {option!r} is not an option of {kind}; there are {known}")
    if name != "dtype" and not (value.isascii() and value.isdigit()):
        raise InputError(f"workload {text!r}: {name}={value!r} is not a whole number")
    return name, value


def _validated(text: str, values: dict[str, Any]) -> Workload:
    try:
        return Workload.model_validate(values)
    except ValidationError as error:
        raise InputError(f"workload {text!r}: {first_problem(error)}") from None
