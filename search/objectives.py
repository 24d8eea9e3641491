"""What a candidate can be judged by: loss, parameters, figures of workloads, recall; and limits on all but the loss."""

from __future__ import annotations

import re
from math import isfinite
from typing import NamedTuple

from nas_search.errors import InputError
from nas_search.profiler.precision import DType
from nas_search.profiler.workload import FORMS, Workload
from nas_search.proxies.recall_tasks import is_task, parse_task

LOSS, PARAMETERS = "loss", "parameters"
LIMIT_FORMS = (
    "prefill:512<=20ms, memory:32768<=2GiB, energy:256<=5mJ, throughput:1024>=500, parameters<=5M or recall>=0.9"
)
_LONGEST = 200
_LIMIT = re.compile(r"(.+?)\s*(<=|>=)\s*([0-9]+(?:\.[0-9]*)?(?:e[+-]?[0-9]+)?|\.[0-9]+)\s*([A-Za-z/%]*)")
SHARE = "share"
_MILLISECONDS = {"ms": 1.0, "us": 1e-3, "s": 1e3}
_SCALES: dict[str, dict[str, float]] = {
    PARAMETERS: {"": 1.0, "K": 1e3, "M": 1e6, "B": 1e9},
    "ms": _MILLISECONDS,
    "ms/token": _MILLISECONDS | {f"{unit}/token": scale for unit, scale in _MILLISECONDS.items()},
    "tokens/s": {"tokens/s": 1.0, "": 1.0},
    "MiB": {"MiB": 1.0, "KiB": 2.0**-10, "GiB": 2.0**10, "MB": 1e6 / 2**20, "GB": 1e9 / 2**20},
    "mJ/token": {"mJ/token": 1.0, "mJ": 1.0, "uJ": 1e-3, "J": 1e3},
    SHARE: {"": 1.0, "%": 0.01},
}
"""Units that a limit may be given in, by the unit of the figure; the first is the one that is written."""


class Quantity(NamedTuple):
    """``loss`` (bits per byte of held-out text), ``parameters``, the figure of a workload, or a recall task's accuracy.

    The ``name`` of a workload or task is its canonical one.
    """

    name: str
    workload: Workload | None = None

    @classmethod
    def parse(cls, text: str, dtype: DType = "float32") -> Quantity:
        """Read ``loss``, ``parameters``, a recall task or a workload, in ``dtype`` unless it names one.

        Raises InputError.
        """
        name = text.strip()
        if name in {LOSS, PARAMETERS}:
            return cls(name)
        if is_task(name):
            return cls(parse_task(name).objective)
        if ":" not in name:
            raise InputError(f"{text!r} is neither {LOSS} nor {PARAMETERS} nor recall nor one of needle:512, {FORMS}")
        return cls.of(Workload.parse(name, dtype))

    @classmethod
    def of(cls, workload: Workload) -> Quantity:
        """The figure of a workload."""
        return cls(str(workload), workload)

    @property
    def unit(self) -> str:
        """Of its values."""
        if self.workload is not None:
            return self.workload.unit
        if self.is_recall:
            return SHARE
        return "bits per byte" if self.name == LOSS else PARAMETERS

    @property
    def is_recall(self) -> bool:
        """Whether it is the share of a recall task's questions that a network answers after training on the task."""
        return is_task(self.name)

    @property
    def higher_is_better(self) -> bool:
        """True for throughputs and recall."""
        return self.is_recall if self.workload is None else self.workload.higher_is_better

    def minimised(self, value: float) -> float:
        """A value such that less is better; its own inverse."""
        return -value if self.higher_is_better else value


class Limit(NamedTuple):
    """The most that a quantity may be, or the least where higher is better, in the quantity's unit.

    All quantities but the loss can be limited. That of a recall task is found by training on the task, all others are
    known before any training.
    """

    quantity: Quantity
    bound: float

    @classmethod
    def parse(cls, text: str, dtype: DType = "float32") -> Limit:
        """Read a limit such as those of LIMIT_FORMS. Raises InputError with one line."""
        match = _LIMIT.fullmatch(text.strip()) if len(text) <= _LONGEST else None  # the time grows with its square
        if match is None:
            raise InputError(f"limit {text!r}: not of a form such as {LIMIT_FORMS}")
        try:
            quantity = Quantity.parse(match[1], dtype)
        except InputError as error:
            raise InputError(f"limit {text!r}: {error}") from None
        if quantity.name == LOSS:
            raise InputError(
                f"limit {text!r}: the loss is known only after training; a limit is on what is predicted, or on recall"
            )
        if match[2] != _relation(quantity):
            raise InputError(f"limit {text!r}: write {match[1]}{_relation(quantity)}{match[3]}{match[4]}")
        scales = _SCALES[quantity.unit]
        if match[4] not in scales:
            units = " or ".join(unit or "no unit" for unit in scales)
            given = f"unit {match[4]!r} is not one of {quantity.name}" if match[4] else "a unit is missing"
            raise InputError(f"limit {text!r}: {given}; give {units}")
        bound = float(match[3]) * scales[match[4]]
        if not bound > 0 or not isfinite(bound):
            raise InputError(f"limit {text!r}: must be greater than zero, and finite")
        if quantity.is_recall and bound > 1:
            raise InputError(f"limit {text!r}: a share of answers, so one at the most; such as {quantity.name}>=0.9")
        return cls(quantity, bound)

    def __str__(self) -> str:
        """The canonical form that :meth:`parse` reads back, exactly."""
        unit = next(iter(_SCALES[self.quantity.unit]))
        return f"{self.quantity.name}{_relation(self.quantity)}{repr(self.bound).removesuffix('.0')}{unit}"

    def over(self, value: float) -> float:
        """By what share of the bound a value misses it: above zero where it does, at most zero within the limit.

        Shares of different quantities can be compared and added, their units cannot.
        """
        excess = self.quantity.minimised(value) - self.quantity.minimised(self.bound)
        return excess / self.bound


def _relation(quantity: Quantity) -> str:
    return ">=" if quantity.higher_is_better else "<="
