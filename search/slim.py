"""Finished trials in memory, kept small: what is the same in all of them is there once.

Optuna makes a distribution for every parameter of every trial, and our candidates repeat the parameters. A study of
many thousand trials would consist of little else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from sys import intern
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial

SHORT = 32
"""Texts up to this length are likely to come again: names, choices, states."""


def share(trial: FrozenTrial, distributions: dict[str, BaseDistribution], candidate: Mapping[str, Any] | None) -> None:
    """Let a finished trial share ``distributions``, if they are its own, and its ``candidate`` the parameters.

    What is empty is shared too: nobody writes into a finished trial.
    """
    if trial.distributions == distributions:
        trial.distributions = distributions
    trial.system_attrs = trial.system_attrs or _EMPTY
    trial.intermediate_values = trial.intermediate_values or _EMPTY
    if isinstance(candidate, dict) and candidate.get("genome") == trial.params:
        candidate["genome"] = trial.params
        candidate["over"] = candidate.get("over") or _EMPTY


def decode(line: bytes) -> Any:
    """A line of JSON, in which texts that come again are the same object in all lines. Raises ValueError."""
    return _DECODER.decode(line.decode())


def _with_shared_texts(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {intern(name): _shared(value) for name, value in pairs}


def _shared(value: Any) -> Any:
    return intern(value) if type(value) is str and len(value) <= SHORT else value


_EMPTY: dict[Any, Any] = {}
_DECODER = json.JSONDecoder(object_pairs_hook=_with_shared_texts)
