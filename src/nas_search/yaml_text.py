"""Reading YAML that somebody else wrote."""

from typing import Any

import yaml

from nas_search.errors import InputError

# What PyYAML lets through for values that look like a date or a number and are none, and for deep nesting.
_UNREADABLE = (yaml.YAMLError, ValueError, KeyError, AttributeError, TypeError, RecursionError)


def parse_yaml(text: str, where: str) -> Any:
    """The content of YAML or JSON ``text``. Raises InputError, one line that names ``where``."""
    try:
        return yaml.safe_load(text)
    except _UNREADABLE as error:
        raise InputError(f"{where}: not YAML: {' '.join(str(error).split())[:200]}") from None
