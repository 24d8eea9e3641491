"""Options that every stage of a space chooses for itself, as a space's file gives them.

``a: {heads: [4, 8]}`` is one gene of every stage: all attention operators of the stage have four heads, or eight.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from pydantic import ValidationError

from nas_search.space.genome import Choice
from nas_search.space.operators.base import OperatorSpec
from nas_search.space.operators.registry import operator_types

FIELD = "options"


class StageOption(NamedTuple):
    """An operator's option with the values that it can take; ``name`` is as the notation writes it."""

    code: str
    name: str
    choices: tuple[Choice, ...]

    @property
    def path(self) -> str:
        """Where the option stands in a space's file."""
        return f"{FIELD}.{self.code}.{self.name}"


Options = tuple[StageOption, ...]


def read_options(value: object) -> Options:
    """The options in ``{code: {option: [choice, ...]}}``. Raises ValueError, beginning with the path."""
    return tuple(_read(value))


def write_options(options: Options) -> dict[str, dict[str, list[Choice]]]:
    """The inverse of :func:`read_options`."""
    written: dict[str, dict[str, list[Choice]]] = {}
    for option in options:
        written.setdefault(option.code, {})[option.name] = list(option.choices)
    return written


def _read(value: object) -> Iterator[StageOption]:
    types = operator_types()
    for code, options in _mapping(value, FIELD, "{a: {heads: [4, 8]}}").items():
        path = f"{FIELD}.{_shown(code)}"
        if code not in types:
            raise ValueError(f"{path}: unknown operator (known: {', '.join(types)})")
        known = types[code].option_names()
        given = _mapping(options, path, "{heads: [4, 8]}")
        if not given:
            raise ValueError(f"{path}: names no option (known: {', '.join(known)})")
        for name, choices in given.items():
            if name not in known:
                raise ValueError(f"{path}.{_shown(name)}: '{code}' has no such option (known: {', '.join(known)})")
            yield StageOption(code, name, tuple(_choices(types[code], name, choices, f"{path}.{name}")))


def _mapping(value: object, path: str, example: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise ValueError(f"{path}: expected something like {example}, found {_shown(value)}")
    return value


def _choices(operator: type[OperatorSpec], name: str, values: object, path: str) -> Iterator[Choice]:
    if not isinstance(values, list | tuple) or not values:
        raise ValueError(f"{path}: expected a list of choices such as [4, 8], found {_shown(values)}")
    seen: set[Choice] = set()
    for value in values:
        choice = _choice(operator, name, value, path)
        if choice in seen:
            raise ValueError(f"{path}: {_shown(value)} is listed twice")
        seen.add(choice)
        yield choice


def _choice(operator: type[OperatorSpec], name: str, value: object, path: str) -> Choice:
    """The value as the operator keeps it; it may be what can stand in a notation, where everything is text."""
    if not isinstance(value, str | int | float):
        raise ValueError(f"{path}: {_shown(value)} is no value of an option")
    text = ("no", "yes")[value] if isinstance(value, bool) else str(value)
    try:
        spec = operator.model_validate({name: text})
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise ValueError(f"{path}: {_shown(value)} is not possible: {reason}") from None
    kept = spec.model_dump(by_alias=True)[name]
    return kept if isinstance(kept, str | int | float) else str(kept)


def _shown(value: object) -> str:
    """Anything that a file can hold, on one line."""
    return " ".join(str(value).split())[:60]
