"""How figures are written: enough digits to compare, units where they are needed."""

from collections.abc import Sequence

NONE = "–"  # noqa: RUF001 (the dash of empty cells)


def latency(value_ms: float | None) -> str:
    """Milliseconds, four significant digits."""
    return NONE if value_ms is None else significant(value_ms)


def significant(value: float, digits: int = 4) -> str:
    """``digits`` significant digits, without an exponent up to a million."""
    text = f"{value:#.{digits}g}"
    return f"{value:,.0f}" if "e+" in text else text.rstrip(".")


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
