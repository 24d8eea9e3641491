"""How figures are written: enough digits to compare, units where they are needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nas_search.profiler.measurement import Measurement, Source
    from nas_search.proxies.recall_result import RecallScore
    from nas_search.search.objectives import Limit, Quantity
    from nas_search.space.architecture import Architecture

NONE = "–"  # noqa: RUF001 (the dash of empty cells)


def latency(value_ms: float | None) -> str:
    """Milliseconds, four significant digits."""
    return NONE if value_ms is None else significant(value_ms)


def significant(value: float, digits: int = 4) -> str:
    """``digits`` significant digits, without an exponent up to a million."""
    text = f"{value:#.{digits}g}"
    return f"{value:,.0f}" if "e+" in text else text.rstrip(".")


def recall(score: RecallScore | None) -> str:
    """How much of a recall task is answered right, with all seeds where there are several: ``93.1 % (90.0, 96.2)``."""
    if score is None:
        return NONE
    seeds = ", ".join(f"{100 * accuracy:.1f}" for accuracy in score.accuracies)
    return f"{percent(score.mean)} ({seeds})" if len(score.accuracies) > 1 else percent(score.mean)


def value(quantity: Quantity, number: float) -> str:
    """A figure with its unit: ``64.00 MiB``; recall as percentage."""
    return percent(number) if quantity.is_recall else f"{significant(number)} {quantity.unit}"


def title(quantity: Quantity) -> str:
    """A quantity with its unit, as headings have it: ``memory:1024, MiB``."""
    if quantity.is_recall:
        return f"{quantity.name}, answers right"
    return quantity.name if quantity.unit == quantity.name else f"{quantity.name}, {quantity.unit}"


def limit(found: Limit) -> str:
    """A limit in its quantity's unit: ``memory:1024 ≤ 64.00 MiB``."""
    relation = "≥" if found.quantity.higher_is_better else "≤"
    if found.quantity.is_recall:
        return f"{found.quantity.name} {relation} {percent(found.bound)}"
    unit = "" if found.quantity.unit == found.quantity.name else f" {found.quantity.unit}"
    return f"{found.quantity.name} {relation} {significant(found.bound)}{unit}"


def predicted(source: Source) -> str:
    """What stands above or beside figures that were not measured: ``predicted (table)``."""
    return f"predicted ({source})"


def measured_interval(measured: Measurement) -> str:
    """The interval of a measurement, and how many samples it comes from."""
    return f"{interval(measured.low, measured.high)}, n = {measured.n}"


def clock_name(measured: Measurement, device_kind: str) -> str:
    """The clock that a latency was read on, as people call it."""
    if measured.clock == "wall":
        return "wall time"
    return "GPU time" if device_kind == "cuda" else "CPU time"


def bits(value: float | None) -> str:
    """Bits per byte, four decimals: neighbours on a front differ in the third."""
    return NONE if value is None else f"{value:.4f}"


def interval(low: float, high: float) -> str:
    """A closed interval."""
    return f"{significant(low)} to {significant(high)}"


def count(value: float) -> str:
    """A count in thousands, millions or billions, three digits: ``860 K``, ``1.43 M``."""
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "K")):
        if value >= size:
            return f"{significant(value / size, 3)} {unit}"
    return f"{value:,.0f}"


def duration(seconds: float | None) -> str:
    """Seconds as people say them: ``8.2 s``, ``4 min 10 s``, ``2 h 05 min``."""
    if seconds is None:
        return NONE
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def percent(share: float | None, digits: int = 1) -> str:
    """A share as percentage."""
    return NONE if share is None else f"{100 * share:.{digits}f} %"


def size(value_bytes: int) -> str:
    """Bytes in powers of 1000."""
    for scale, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if value_bytes >= scale:
            return f"{value_bytes / scale:.1f} {unit}"
    return f"{value_bytes} bytes"


def listing(values: Sequence[float]) -> str:
    """Bits per byte of several seeds."""
    return ", ".join(bits(value) for value in values)


def operators(architecture: Architecture) -> str:
    """How many there are of each kind: ``2 Mamba-2, 4 SwiGLU FFN``."""
    titles = [operator.title for operator in architecture.operators]
    return ", ".join(f"{titles.count(title)} {title}" for title in dict.fromkeys(titles))
