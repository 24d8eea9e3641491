"""The settings of a table, and interpolation between them: linear over context, and over batch."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from nas_search.errors import InputError
from nas_search.profiler.cells import PhaseSetting
from nas_search.profiler.phases import Part, Phase, PhaseKind, hat_sums, workload_parts
from nas_search.profiler.precision import Precision
from nas_search.profiler.workload import Workload

Weights = dict[PhaseSetting, float]


class Grid:
    """What was recorded, on a device whose steps are ``captured`` or not.

    Where it is asked for something beyond, it raises InputError with the range that there is.
    """

    def __init__(self, settings: Iterable[PhaseSetting], *, captured: bool) -> None:
        self._captured = captured
        self._contexts: dict[tuple[PhaseKind, Precision], dict[int, list[int]]] = {}
        for setting in sorted(settings):
            recorded = self._contexts.setdefault((setting.phase.kind, setting.precision), {})
            recorded.setdefault(setting.batch, []).append(setting.phase.context)

    def parts(self, workload: Workload, meta_tokens: int) -> tuple[Part, ...]:
        """The phases of a workload there."""
        return workload_parts(workload, meta_tokens, captured=self._captured)

    def batches(self, part: Part, precision: Precision) -> list[int]:
        """The batches at which all contexts of ``part`` lie between recorded ones, ascending; at least one."""
        recorded = self._recorded(part.kind, precision)
        first, last = part.ends
        found = [batch for batch, contexts in recorded.items() if contexts[0] <= first and last <= contexts[-1]]
        if not found:
            low, high = (pick(map(pick, recorded.values())) for pick in (min, max))
            raise InputError(
                f"latency table: {part.kind} at {_range(first, last)} tokens is outside of what was recorded, "
                f"{_range(low, high)} tokens"
            )
        return sorted(found)

    def at_batch(self, part: Part, batch: int, precision: Precision) -> Weights:
        """What counts how often at one of :meth:`batches`."""
        sums = hat_sums(part, tuple(self._recorded(part.kind, precision)[batch]))
        return {PhaseSetting(Phase(part.kind, context), batch, precision): weight for context, weight in sums.items()}

    def weights(self, part: Part, batch: int, precision: Precision) -> Weights:
        """What counts how often at any batch between recorded ones."""
        recorded = self.batches(part, precision)
        if not recorded[0] <= batch <= recorded[-1]:
            raise InputError(
                f"latency table: batch {batch} is outside of what was recorded for {part.kind} at "
                f"{_range(*part.ends)} tokens, {_range(recorded[0], recorded[-1])}"
            )
        return {
            setting: share * weight
            for neighbour, share in _between(batch, recorded).items()
            for setting, weight in self.at_batch(part, neighbour, precision).items()
        }

    def _recorded(self, kind: PhaseKind, precision: Precision) -> dict[int, list[int]]:
        """Contexts by batch, ascending."""
        try:
            return self._contexts[kind, precision]
        except KeyError:
            known = ", ".join(f"{kind} in {precision}" for kind, precision in self._contexts) or "no phase at all"
            raise InputError(f"latency table: no {kind} in {precision} was recorded; there is {known}") from None


def _between(value: int, knots: Sequence[int]) -> dict[int, float]:
    """The neighbours of a value among ascending ``knots``, and their shares in linear interpolation."""
    above = bisect_left(knots, value)
    if knots[above] == value:
        return {value: 1.0}
    low, high = knots[above - 1], knots[above]
    share = (value - low) / (high - low)
    return {low: 1 - share, high: share}


def _range(low: int, high: int) -> str:
    return f"{low}" if low == high else f"{low} to {high}"
