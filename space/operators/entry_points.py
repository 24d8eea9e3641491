"""Operators that other packages announce, each through an entry point whose name is the operator's code."""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection
from importlib.metadata import EntryPoint, entry_points

from nas_search.errors import InputError
from nas_search.space.operators.base import OperatorSpec

ENTRY_POINT_GROUP = "nas_search.operators"

# What the notation can read as an operator.
_CODE = re.compile(r"(?!untied$)[A-Za-z][A-Za-z0-9_-]*")


class OperatorImportWarning(UserWarning):
    """An installed package announces an operator that cannot be imported."""


def announced_operators(taken: Collection[str]) -> dict[str, type[OperatorSpec]]:
    """Every announced operator by its code, none of which may be in ``taken``.

    One that cannot be imported is left out with an :class:`OperatorImportWarning`: a broken package must not stop
    searches that do without it. Raises InputError, naming package and entry point, for one that is no operator or has
    the wrong name.
    """
    announced: dict[str, type[OperatorSpec]] = {}
    for point in entry_points(group=ENTRY_POINT_GROUP):
        try:
            loaded = point.load()
        # A module that ends the process when it is imported must not end ours.
        except (Exception, SystemExit) as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            message = f"{_describe(point)} cannot be imported and is left out: {reason}"
            warnings.warn(message, OperatorImportWarning, stacklevel=3)
            continue
        announced[point.name] = _checked(point, loaded, {*taken, *announced})
    return announced


def _checked(point: EntryPoint, loaded: object, taken: Collection[str]) -> type[OperatorSpec]:
    if not (isinstance(loaded, type) and issubclass(loaded, OperatorSpec)):
        raise InputError(f"{_describe(point)}: {point.value} is not a subclass of OperatorSpec")
    missing = sorted(loaded.__abstractmethods__) + [name for name in ("code", "title") if not hasattr(loaded, name)]
    if missing:
        raise InputError(f"{_describe(point)}: {point.value} does not define {', '.join(missing)}")
    required = [name for name, field in loaded.model_fields.items() if field.is_required()]
    if required:
        raise InputError(f"{_describe(point)}: option {required[0]} has no default; every option needs one")
    if loaded.code != point.name:
        raise InputError(f"{_describe(point)}: the code of {point.value} is '{loaded.code}'; name the entry point so")
    if not _CODE.fullmatch(point.name):
        raise InputError(
            f"{_describe(point)}: a code has letters, digits, - and _, begins with a letter, is not untied"
        )
    if point.name in taken:
        raise InputError(f"{_describe(point)}: the code '{point.name}' is taken; choose another or uninstall one")
    return loaded


def _describe(point: EntryPoint) -> str:
    package = f"package {point.dist.name}" if point.dist else "an unknown package"
    return f"operator '{point.name}' of {package}"
