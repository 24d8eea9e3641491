"""Reading YAML that somebody else wrote."""

from collections.abc import Hashable
from typing import Any

import yaml

from nas_search.errors import InputError

# What PyYAML lets through for values that look like a date or a number and are none, and for deep nesting.
_UNREADABLE = (yaml.YAMLError, ValueError, KeyError, AttributeError, TypeError, RecursionError)


class _UniqueKeys(yaml.SafeLoader):
    """Safe loading that refuses what PyYAML would drop: the first of two equal keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """As in a safe loader, every key once."""
        seen: set[str] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"'{key.value}' is given twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def parse_yaml(text: str, where: str) -> Any:
    """The content of YAML or JSON ``text``. Raises InputError, one line that names ``where``."""
    try:
        loader = _UniqueKeys(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except _UNREADABLE as error:
        raise InputError(f"{where}: not YAML: {' '.join(str(error).split())[:200]}") from None
