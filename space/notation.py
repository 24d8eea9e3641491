"""The one-line notation of operator sequences and architectures.

``w2048 vocab=131072 meta=256 (d f m2 f a f m2 f)x2 (d f m2 f)x2`` reads: width 2048, a vocabulary of 131072, 256
meta tokens, and 24 operators. An operator is its code, with options in brackets where they differ from the
defaults: ``a[heads=16,kv=4]``. ``(...)x3`` repeats; groups nest. ``untied`` gives the head its own weights.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pydantic import ValidationError

from nas_search.errors import InputError, first_problem
from nas_search.space.operators.base import OperatorSpec
from nas_search.space.operators.registry import operator_types

# Far beyond any network, and small enough that ((a)x999)x999 cannot fill the memory.
MAX_OPERATORS = 512

_TOKEN = re.compile(
    r"\s*(?:(?P<open>\()|(?P<close>\))|(?P<item>[A-Za-z][A-Za-z0-9_-]*(?:=[^\s()\[\]]+)?)(?P<options>\[[^\]]*\]?)?)"
)
_REPEAT = re.compile(r"x0*([0-9]*)(?![^\s()])")
_WIDTH = re.compile(r"w([0-9]{1,9})$")


class NotationError(InputError):
    """A notation that does not parse, with the column (from 1) where it goes wrong."""

    def __init__(self, text: str, column: int, message: str) -> None:
        super().__init__(f"notation, column {column}: {message} in '{_excerpt(text)}'")
        self.column = column


@dataclass
class ParsedArchitecture:
    """The fields of an architecture as written; the defaults where the text is silent."""

    width: int = 0
    vocabulary: int | None = None
    meta_tokens: int | None = None
    tied_head: bool = True
    operators: list[OperatorSpec] = field(default_factory=list)


class _Token(NamedTuple):
    kind: str
    text: str
    options: str | None
    column: int
    end: int


class _Option(NamedTuple):
    value: str
    column: int


def parse_operator(text: str) -> OperatorSpec:
    """One operator from its notation. Raises NotationError."""
    operators = parse_operators(text)
    if len(operators) != 1:
        raise NotationError(text, 1, f"expected one operator, found {len(operators)}")
    return operators[0]


def parse_operators(text: str) -> tuple[OperatorSpec, ...]:
    """A sequence of operators from its notation. Raises NotationError."""
    return tuple(_Parser(text, header=False).parse().operators)


def parse_architecture(text: str) -> ParsedArchitecture:
    """Width, header options and operators from the notation. Raises NotationError."""
    return _Parser(text, header=True).parse()


def format_operators(operators: Sequence[OperatorSpec]) -> str:
    """The shortest notation without nested groups; equal sequences give equal text."""
    codes = [operator.notation for operator in operators]
    best: list[tuple[int, str]] = [(0, "")] * (len(codes) + 1)
    for start in range(len(codes) - 1, -1, -1):
        best[start] = min(_pieces(codes, start, best), key=lambda piece: piece[0])
    return best[0][1].rstrip()


def _pieces(codes: list[str], start: int, best: list[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Every way to write ``codes[start:]``, with its cost in written items; a group costs one more."""
    cost, tail = best[start + 1]
    yield cost + 1, f"{codes[start]} {tail}"
    for size in range(1, (len(codes) - start) // 2 + 1):
        block = codes[start : start + size]
        repeats = 1
        while codes[start + repeats * size : start + (repeats + 1) * size] == block:
            repeats += 1
            cost, tail = best[start + repeats * size]
            yield cost + size + 1, f"({' '.join(block)})x{repeats} {tail}"


class _Parser:
    """Recursive descent over the text; ``position`` is the only state."""

    def __init__(self, text: str, *, header: bool) -> None:
        self.text = text
        self.header = header
        self.position = 0
        self.parsed = ParsedArchitecture()

    def parse(self) -> ParsedArchitecture:
        if self.header:
            self._width()
        self.parsed.operators = self._sequence(depth=0)
        if not self.parsed.operators:
            raise self._error(len(self.text.rstrip()) + 1, "expected at least one operator")
        return self.parsed

    def _error(self, column: int, message: str) -> NotationError:
        return NotationError(self.text, column, message)

    def _next(self) -> _Token | None:
        match = _TOKEN.match(self.text, self.position)
        if match is None or match.lastgroup is None:
            rest = self.text[self.position :]
            if not rest.strip():
                return None
            column = self.position + len(rest) - len(rest.lstrip()) + 1
            raise self._error(column, f"unexpected '{self.text[column - 1]}'")
        self.position = match.end()
        kind = "item" if match["item"] else match.lastgroup
        start = match.start(kind)
        return _Token(kind, match[kind], match["options"], start + 1, match.end())

    def _width(self) -> None:
        token = self._next()
        match = _WIDTH.match(token.text) if token else None
        if token is None or match is None or token.options:
            raise self._error(token.column if token else 1, "expected the width first, such as w256")
        self.parsed.width = int(match[1])

    def _sequence(self, depth: int) -> list[OperatorSpec]:
        operators: list[OperatorSpec] = []
        while (token := self._next()) is not None:
            if token.kind == "close":
                if depth == 0:
                    raise self._error(token.column, "')' closes nothing")
                self.position = token.column - 1
                return operators
            if token.kind == "open":
                operators += self._group(token, depth)
            elif not (self.header and depth == 0 and not operators and self._header_option(token)):
                operators.append(self._operator(token))
            if len(operators) > MAX_OPERATORS:
                raise self._error(token.column, f"more than {MAX_OPERATORS} operators")
        if depth:
            raise self._error(len(self.text) + 1, "')' is missing")
        return operators

    def _group(self, token: _Token, depth: int) -> list[OperatorSpec]:
        if depth >= 32:
            raise self._error(token.column, "groups nest deeper than 32")
        operators = self._sequence(depth + 1)
        if not operators:
            raise self._error(token.column, "the group is empty")
        self._next()
        match = _REPEAT.match(self.text, self.position)
        if match is None or not match[1]:
            raise self._error(self.position + 1, "expected a repeat count such as x2 after ')'")
        # Nine digits are beyond any network, and few enough to be turned into a number.
        if len(match[1]) > 9 or int(match[1]) * len(operators) > MAX_OPERATORS:
            raise self._error(self.position + 1, f"{match[0]} gives more than {MAX_OPERATORS} operators")
        self.position = match.end()
        return operators * int(match[1])

    def _header_option(self, token: _Token) -> bool:
        name, _, value = token.text.partition("=")
        if token.text == "untied":
            self.parsed.tied_head = False
        elif name == "vocab":
            self.parsed.vocabulary = self._integer(token, value)
        elif name == "meta":
            self.parsed.meta_tokens = self._integer(token, value)
        else:
            return False
        return True

    def _integer(self, token: _Token, value: str) -> int:
        if not re.fullmatch(r"\d{1,9}", value):
            raise self._error(token.column, f"'{_excerpt(token.text)}' needs a whole number")
        return int(value)

    def _operator(self, token: _Token) -> OperatorSpec:
        types = operator_types()
        if token.text not in types:
            known = ", ".join(types)
            raise self._error(token.column, f"unknown operator '{_excerpt(token.text)}' (known: {known})")
        options = self._options(token)
        try:
            return types[token.text].model_validate({name: option.value for name, option in options.items()})
        except ValidationError as error:
            raise self._refusal(token, options, types[token.text], error) from None

    def _refusal(
        self, token: _Token, options: dict[str, _Option], spec: type[OperatorSpec], error: ValidationError
    ) -> NotationError:
        """What is wrong with an option: its column, name, value and the rule that it breaks."""
        problem = error.errors()[0]
        name = str(problem["loc"][0]) if problem["loc"] else ""
        if name not in options:  # one that is missing, or a rule over several
            return self._error(token.column, f"'{token.text}': {first_problem(error)}")
        value, column = options[name]
        if problem["type"] == "extra_forbidden":
            known = ", ".join(spec.option_names()) or "none"
            return self._error(column, f"'{token.text}' has no option '{name}' (known: {known})")
        rule = problem["msg"].removeprefix("Value error, ")
        return self._error(column, f"{name}={_excerpt(value)}: {_lower(rule)}")

    def _options(self, token: _Token) -> dict[str, _Option]:
        if token.options is None:
            return {}
        if not token.options.endswith("]"):
            raise self._error(token.end + 1, "']' is missing")
        options: dict[str, _Option] = {}
        column = token.end - len(token.options) + 2
        for part in token.options[1:-1].split(","):
            name, _, value = (side.strip() for side in part.partition("="))
            if not name or not value:
                raise self._error(column, f"expected options such as [heads=8,kv=2], found '{_excerpt(part)}'")
            start = column + len(part) - len(part.lstrip())
            if name in options:
                raise self._error(start, f"'{name}' is given twice")
            options[name] = _Option(value, start)
            column += len(part) + 1
        return options


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]


def _excerpt(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."
