"""A plane of the objectives: the loss against another one, and where trials stand on that."""

from __future__ import annotations

from collections.abc import Sequence
from math import log10
from typing import TYPE_CHECKING, Any, NamedTuple

from nas_search.results import figures
from nas_search.results.axes import log_axis

if TYPE_CHECKING:
    from nas_search.profiler.measurement import Source
    from nas_search.search.objectives import Quantity
    from nas_search.search.trial import TrialRecord


class FrontView(NamedTuple):
    """What the picture of a front shows: the loss against ``quantity``, which may have a limit.

    ``source`` is that of predicted figures.
    """

    records: Sequence[TrialRecord]
    front: Sequence[TrialRecord]
    quantity: Quantity
    source: Source
    limit: float | None = None

    @classmethod
    def of(
        cls,
        records: Sequence[TrialRecord],
        front: Sequence[TrialRecord],
        quantity: Quantity,
        source: Source,
        limit: float | None = None,
    ) -> FrontView:
        """Without trials that were never trained on ``quantity``, if it is a recall task."""
        return cls([record for record in records if quantity.name in record.figures], front, quantity, source, limit)

    def predicted(self, record: TrialRecord) -> float:
        """The quantity of a trial as the search saw it."""
        return record.figures[self.quantity.name]

    def confirmed(self, record: TrialRecord) -> float:
        """The quantity as measured or trained again, or as the search saw it where it was not."""
        measured, recall = record.measured(self.quantity.name), record.confirmed_recall(self.quantity.name)
        if recall is not None:
            return recall.mean
        return self.predicted(record) if measured is None else measured.value

    def ends(self, record: TrialRecord) -> tuple[float, float]:
        """The 95 % interval of the median, or the range of recall over seeds; the value itself where there is none."""
        measured, recall = record.measured(self.quantity.name), record.confirmed_recall(self.quantity.name)
        if recall is not None:
            return min(recall.accuracies), max(recall.accuracies)
        value = self.predicted(record)
        return (value, value) if measured is None else (measured.low, measured.high)

    def position(self, value: float) -> float:
        """Where Plotly has a value on the axis: recall is on a linear one."""
        return value if self.quantity.is_recall else log10(value)

    def value(self, number: float) -> str:
        """With its unit."""
        of = f" of {self.quantity.name}" if self.quantity.is_recall else ""
        return f"{figures.value(self.quantity, number)}{of}"

    def axis(self, over: Sequence[TrialRecord]) -> dict[str, Any]:
        """The quantity's axis, better on the left; ``over`` are trials that miss a limit."""
        shown = self._shown(over)
        if not self.quantity.is_recall:
            return {"title_text": self._title, **log_axis(shown, falling=self.quantity.higher_is_better)}
        low, high = min(shown, default=0.0), max(shown, default=1.0)
        margin = max(0.03 * (high - low), 0.005)
        return {"title_text": self._title, "range": [high + margin, low - margin], "tickformat": ".0%"}

    @property
    def _title(self) -> str:
        if self.quantity.is_recall:
            return f"{figures.title(self.quantity)} (higher is better)"
        sense = ", higher is better" if self.quantity.higher_is_better else ""
        return f"{figures.title(self.quantity)} (log scale{sense})"

    def _shown(self, over: Sequence[TrialRecord]) -> list[float]:
        """What the axis must show: all that was trained, and the best nine tenths of what is over a limit."""
        worst_last = sorted(map(self.predicted, over), key=self.quantity.minimised)
        ends = [end for record in self.records if record.confirmed is not None for end in self.ends(record)]
        trained = [self.predicted(record) for record in self.records if record.state != "over_limit"]
        return [*trained, *ends, *worst_last[: 1 + len(over) * 9 // 10]]
