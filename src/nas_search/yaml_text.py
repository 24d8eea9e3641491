"""Reading YAML that somebody else wrote."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from nas_search.errors import InputError

MOST_BYTES = 1 << 17
MOST_VALUES = 100_000
"""Of a document with its aliases written out, which a few lines can make more than any memory holds."""
MOST_LEVELS = 32
"""Of values in values; ours have four."""
_SMALLER = "spaces, architectures, configurations and recipes have some kilobytes"
_LONGEST_NUMBER = 64
"""Characters of a number; PyYAML computes those in base 60 and 2 whatever their length."""

# What PyYAML lets through for values that look like a date or a number and are none, and for deep nesting.
_UNREADABLE = (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, ArithmeticError, RecursionError)


class _SafeLoader(yaml.SafeLoader):
    """Safe loading that refuses what PyYAML would drop, the first of two equal keys, and what only harms."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """As in a safe loader, not too deep: every character costs as much as what it stands in is deep."""
        self._depth += 1
        if self._depth > MOST_LEVELS:
            mark = self.get_mark()
            raise yaml.composer.ComposerError(None, None, f"nested deeper than {MOST_LEVELS} levels", mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_document(self, node: yaml.Node) -> Any:
        """As in a safe loader, if the document is not too large."""
        _count_values(node, {})
        return super().construct_document(node)

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> Any:
        """As in a safe loader; half a surrogate pair is no character, and no number is as long as a book."""
        value = super().construct_scalar(node)
        if not str(value).isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            raise yaml.constructor.ConstructorError(None, None, "half a surrogate pair", node.start_mark)
        if node.tag in _NUMBERS and len(value) > _LONGEST_NUMBER:
            raise yaml.constructor.ConstructorError(None, None, f"a number of {len(value)} digits", node.start_mark)
        return value

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """As in a safe loader, every key once."""
        seen: set[str] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"'{key.value}' is given twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


_NUMBERS = frozenset({"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"})


def parse_yaml(text: str, where: str) -> Any:
    """The content of YAML or JSON ``text``. Raises InputError, one line that names ``where``."""
    if len(text) > MOST_BYTES:
        raise InputError(f"{where}: over {MOST_BYTES:,} characters; {_SMALLER}")
    try:
        loader = _SafeLoader(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except _UNREADABLE as error:
        raise InputError(f"{where}: not YAML: {_reason(error)[:200]}") from None


def _reason(error: Exception) -> str:
    """What is wrong and where, without the line itself: a password may stand in it."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return " ".join(str(error).split())
    mark = error.problem_mark or error.context_mark
    place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    return " ".join(f"{error.context or ''} {error.problem or ''}".split()) + place


def read_text(path: Path) -> str:
    """The text of a YAML or JSON file.

    Raises InputError for more than anybody writes, OSError, and UnicodeDecodeError for what is not UTF-8.
    """
    with path.open("rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise InputError(f"{path}: over {MOST_BYTES:,} bytes; {_SMALLER}")
    return data.decode("utf-8")


def _count_values(node: yaml.Node, known: dict[int, int]) -> int:
    """Values below a node with aliases written out. Raises ConstructorError if they are too many, or never end."""
    if isinstance(node, yaml.ScalarNode):
        return 1
    found = known.get(id(node))
    if found is None:
        known[id(node)] = MOST_VALUES + 1  # until it is known: an alias of what it stands in has no end
        children = node.value if isinstance(node, yaml.SequenceNode) else [one for pair in node.value for one in pair]
        found = known[id(node)] = 1 + sum(_count_values(child, known) for child in children)
    if found > MOST_VALUES:
        raise yaml.constructor.ConstructorError(None, None, f"over {MOST_VALUES:,} values", node.start_mark)
    return found
