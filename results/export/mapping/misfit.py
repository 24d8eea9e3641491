"""What other programs can express of an architecture. Without torch: the command line asks it of every format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from nas_search.space.architecture import Architecture
from nas_search.space.operators.base import OperatorSpec
from nas_search.space.operators.ffn.spec import FeedForward

Kind = TypeVar("Kind", bound=OperatorSpec)
Kinds = tuple[type[OperatorSpec], ...]


class Misfit(Exception):  # noqa: N818 (nothing went wrong)
    """Why an architecture cannot be expressed: a line that names the operator, if it is one."""


@dataclass(frozen=True)
class Placed:
    """An operator with all sizes written out, and its place in the network, from 0."""

    index: int
    operator: OperatorSpec
    notation: str

    def __str__(self) -> str:
        return f"operator {self.index + 1} ({self.notation})"

    def misfit(self, reason: str) -> Misfit:
        """That this operator is the reason."""
        return Misfit(f"{self}: {reason}")


@dataclass(frozen=True)
class Block:
    """A token mixer and the FFN behind it: one layer in most other programs."""

    mixer: Placed
    ffn: Placed


def placed(architecture: Architecture) -> Iterator[Placed]:
    """All operators in order."""
    for index, operator in enumerate(architecture.operators):
        yield Placed(index, operator.resolved(architecture.width), operator.notation)


def of_kind(architecture: Architecture, kinds: Kinds) -> list[Placed]:
    """The operators of these kinds."""
    return [each for each in placed(architecture) if isinstance(each.operator, kinds)]


def check_kinds(architecture: Architecture, kinds: Kinds, program: str) -> None:
    """Raise Misfit for an operator of another kind, and for meta tokens."""
    for each in placed(architecture):
        if type(each.operator) not in kinds:
            raise each.misfit(f"{program} has no layer for {each.operator.title}")
    if architecture.meta_tokens:
        raise Misfit(f"{architecture.meta_tokens} meta tokens: {program} has no meta token before its sequences")


def blocks(architecture: Architecture, program: str) -> list[Block]:
    """Pairs of a token mixer and an FFN. Raises Misfit for another order."""
    operators = list(placed(architecture))
    for each in operators:
        is_ffn, should_be = isinstance(each.operator, FeedForward), bool(each.index % 2)
        if is_ffn != should_be:
            wanted = "an FFN belongs behind each token mixer" if should_be else "a token mixer belongs before each FFN"
            raise each.misfit(f"in {program} {wanted}")
    if len(operators) % 2:
        raise operators[-1].misfit(f"in {program} an FFN belongs behind each token mixer")
    return [Block(mixer, ffn) for mixer, ffn in zip(operators[::2], operators[1::2], strict=True)]


def one_setting(architecture: Architecture, kind: type[Kind], program: str) -> Kind | None:
    """The operator that all of a kind are, sizes written out; None without any. Raises Misfit if they differ."""
    found = of_kind(architecture, (kind,))
    if not found:
        return None
    check_alike(found, (), program)
    first = found[0].operator
    assert isinstance(first, kind)
    return first


def check_alike(operators: Sequence[Placed], but_for: Iterable[str], program: str) -> None:
    """Raise Misfit if the operators differ in an option other than ``but_for``."""
    ignored = set(but_for)
    first, *others = operators
    expected = first.operator.model_dump(exclude=ignored)
    for other in others:
        if other.operator.model_dump(exclude=ignored) != expected:
            raise Misfit(f"{other} differs from {first}: {program} has one setting for all of them")
