"""The operators of a space with all their options: from an operator and a stage's choices to a notation, and back.

An operator as the space lists it, without the options that stages choose, is called a base here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import product
from math import prod
from typing import NamedTuple

from pydantic import ValidationError

from nas_search.errors import first_problem
from nas_search.space.blocks import Block
from nas_search.space.genome import Choice
from nas_search.space.notation import parse_operator
from nas_search.space.operators.base import OperatorSpec
from nas_search.space.options import FIELD, Options

Choices = tuple[Choice, ...]
"""One choice for each of a space's options, in their order."""


class Origin(NamedTuple):
    """What a notation comes from: its base, and the choices that it shows, by the options' places."""

    base: str
    chosen: Mapping[int, Choice]


class Variants:
    """Every base with every choice of its options. ``specs`` and ``origins`` go by notation."""

    def __init__(self, bases: tuple[str, ...], options: Options) -> None:
        self.options = options
        self.first: Choices = tuple(option.choices[0] for option in options)
        self.specs: dict[str, OperatorSpec] = {}
        self.origins: dict[str, Origin] = {}
        self._places: dict[str, tuple[int, ...]] = {}
        self._notations: dict[tuple[str, Choices], str] = {}
        for base in bases:
            self._add(base, parse_operator(base))

    def _add(self, base: str, spec: OperatorSpec) -> None:
        places = self._places[base] = _places(spec, self.options)
        names = [self.options[place].name for place in places]
        for choices in product(*(self.options[place].choices for place in places)):
            variant = _with_options(spec, dict(zip(names, choices, strict=True)))
            self.specs[variant.notation] = variant
            self.origins[variant.notation] = Origin(base, dict(zip(places, choices, strict=True)))
            self._notations[base, choices] = variant.notation

    def block(self, bases: Block, choices: Choices) -> Block:
        """A block of bases with a stage's choices."""
        if not self.options:
            return bases
        notations = {base: self._notation(base, choices) for base in set(bases)}
        return tuple(notations[base] for base in bases)

    def blocks(self, bases: Block) -> Iterator[Block]:
        """A block of bases with every choice of the options that its operators have, each once."""
        used = {place for base in bases for place in self._places[base]}
        choices = (option.choices[: None if place in used else 1] for place, option in enumerate(self.options))
        for chosen in product(*choices):
            yield self.block(bases, chosen)

    def choices(self, chosen: Mapping[int, Choice]) -> Choices:
        """``chosen``, and the first choice of every other option: nothing shows those."""
        return tuple(chosen.get(place, choice) for place, choice in enumerate(self.first))

    def _notation(self, base: str, choices: Choices) -> str:
        return self._notations[base, tuple(choices[place] for place in self._places[base])]


@lru_cache(maxsize=32)
def operator_variants(bases: tuple[str, ...], options: Options) -> Variants:
    """The variants of these bases. Raises ValueError for options that an operator cannot have together."""
    return Variants(bases, options)


def count_variants(bases: tuple[str, ...], options: Options) -> int:
    """How many there are, without making them."""
    places = [_places(parse_operator(base), options) for base in bases]
    return sum(prod(len(options[place].choices) for place in own) for own in places)


def _places(spec: OperatorSpec, options: Options) -> tuple[int, ...]:
    return tuple(place for place, option in enumerate(options) if option.code == spec.code)


def _with_options(spec: OperatorSpec, values: Mapping[str, Choice]) -> OperatorSpec:
    try:
        return type(spec).model_validate({**spec.model_dump(by_alias=True, exclude_defaults=True), **values})
    except ValidationError as error:
        given = ", ".join(f"{name}={value}" for name, value in values.items())
        raise ValueError(f"{FIELD}.{spec.code}: {given} do not go together: {first_problem(error)}") from None
