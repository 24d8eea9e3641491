"""What one search is after: its objectives and its limits, with what follows from them for points and fronts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from nas_search.errors import InputError
from nas_search.profiler.precision import DType
from nas_search.profiler.workload import Workload
from nas_search.proxies.recall_tasks import TASK_FORMS, is_task, parse_task
from nas_search.search.config import SearchConfig
from nas_search.search.front import Point
from nas_search.search.objectives import LOSS, Limit, Quantity
from nas_search.search.trial import TrialRecord
from nas_search.space.architecture import Architecture

Predict = Callable[[Sequence[Architecture], Workload], Iterable[float]]
"""The figure of each architecture for a workload, in the workload's unit."""


@dataclass(frozen=True)
class Goals:
    """``objectives`` begin with the search's own workload and the loss; ``limits`` are on anything but the loss.

    Points have one coordinate for each objective, in their order, all minimised: a throughput changes its sign.
    Figures, by name, hold what is known of a member: what is predicted, and recall once it is trained.
    ``columns`` are recall tasks of which only confirmed members are asked.
    """

    objectives: tuple[Quantity, ...]
    limits: tuple[Limit, ...] = ()
    columns: tuple[Quantity, ...] = ()

    @classmethod
    def of(cls, config: SearchConfig, dtype: DType = "float32") -> Goals:
        """Those of a configuration but for its latency budget; workloads are in ``dtype`` unless they name one.

        Raises InputError if the main workload is no latency, the loss is missing, or something is given twice.
        """
        main = Quantity.of(Workload.parse(config.workload, dtype))
        _require_latency(main)
        given = [_objective(text, dtype) for text in config.objectives] or [Quantity(LOSS)]
        if Quantity(LOSS) not in given:
            raise InputError(f"objectives {', '.join(config.objectives)}: {LOSS} must be one of them")
        _refuse_twice("objective", given)
        limits = tuple(Limit.parse(text, dtype) for text in config.limits)
        budget = [main] if config.latency_budget is not None else []
        _refuse_twice("limit", [*budget, *(limit.quantity for limit in limits)])
        columns = tuple(map(_column, config.columns))
        _refuse_twice("column", columns)
        first = (main, Quantity(LOSS))
        return cls((*first, *(quantity for quantity in given if quantity not in first)), limits, columns)

    @classmethod
    def stored(cls, objectives: Sequence[str], limits: Sequence[str], columns: Sequence[str] = ()) -> Goals:
        """From the canonical texts of all objectives, all limits and all columns."""
        return cls(
            tuple(map(Quantity.parse, objectives)), tuple(map(Limit.parse, limits)), tuple(map(Quantity.parse, columns))
        )

    def with_budget(self, milliseconds: float | None) -> Goals:
        """With a limit on the main workload, if there is a budget."""
        return self if milliseconds is None else replace(self, limits=(Limit(self.main, milliseconds), *self.limits))

    @property
    def main(self) -> Quantity:
        """The search's own workload, which a latency budget is about."""
        return self.objectives[0]

    @cached_property
    def known(self) -> tuple[Quantity, ...]:
        """What is predicted before training: all objectives but loss and recall, then what else has a limit."""
        asked = dict.fromkeys([*self.objectives, *(limit.quantity for limit in self.limits)])
        return tuple(quantity for quantity in asked if quantity.name != LOSS and not quantity.is_recall)

    @cached_property
    def recalls(self) -> tuple[Quantity, ...]:
        """The recall tasks that every candidate is trained on: objectives, then what else has a limit."""
        asked = dict.fromkeys([*self.objectives, *(limit.quantity for limit in self.limits)])
        return tuple(quantity for quantity in asked if quantity.is_recall)

    @property
    def confirmed_recalls(self) -> tuple[Quantity, ...]:
        """The recall tasks that members of the front are trained on in the last stage."""
        return tuple(dict.fromkeys([*self.recalls, *self.columns]))

    @property
    def further(self) -> tuple[Quantity, ...]:
        """The figures of workloads other than the main one."""
        return tuple(quantity for quantity in self.known[1:] if quantity.workload is not None)

    @property
    def workloads(self) -> tuple[Workload, ...]:
        """Everything that the device is asked, the main workload first."""
        return tuple(quantity.workload for quantity in self.known if quantity.workload is not None)

    @property
    def main_limit(self) -> float | None:
        """The limit on the main workload in its unit, None without one."""
        return next((limit.bound for limit in self.limits if limit.quantity == self.main), None)

    def figures(self, architectures: Sequence[Architecture], predict: Predict) -> list[dict[str, float]]:
        """For each architecture the value of everything that is known before training, by name."""
        columns = {
            quantity.name: [float(architecture.parameters) for architecture in architectures]
            if quantity.workload is None
            else [float(value) for value in predict(architectures, quantity.workload)]
            for quantity in self.known
        }
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def over(self, figures: Mapping[str, float]) -> dict[str, float]:
        """By what share each limit is missed, by name: at most zero within it.

        Limits on recall are left out as long as it is not among the figures.
        """
        return {
            limit.quantity.name: limit.over(figures[limit.quantity.name])
            for limit in self.limits
            if limit.quantity.name in figures or not limit.quantity.is_recall
        }

    def excess(self, figures: Mapping[str, float]) -> float:
        """The shares by which limits are missed, added: zero if all are kept."""
        return sum(share for share in self.over(figures).values() if share > 0)

    def values(self, figures: Mapping[str, float], loss: float) -> list[float]:
        """One value for each objective, in its own unit."""
        return [loss if quantity.name == LOSS else figures[quantity.name] for quantity in self.objectives]

    def minimised(self, values: Sequence[float]) -> Point:
        """The point of one value for each objective."""
        return tuple(q.minimised(value) for q, value in zip(self.objectives, values, strict=True))

    def unlimited(self, values: Sequence[float]) -> Point:
        """The coordinates of objectives without a limit: among what keeps all limits, these are left to compare."""
        limited = {limit.quantity for limit in self.limits}
        point = self.minimised(values)
        return tuple(x for x, quantity in zip(point, self.objectives, strict=True) if quantity not in limited)

    def known_point(self, figures: Mapping[str, float]) -> Point:
        """The coordinates of all objectives but the loss, in their order; recall must be among the figures."""
        known = (quantity for quantity in self.objectives if quantity.name != LOSS)
        return tuple(quantity.minimised(figures[quantity.name]) for quantity in known)

    def point(self, record: TrialRecord) -> Point:
        """The point of a trial by predicted figures. Raises ValueError if it has no loss."""
        if record.bits_per_byte is None:
            raise ValueError(f"trial {record.number} ({record.state}) has no loss")
        return self.minimised(self.values(record.figures, record.bits_per_byte))

    def reference(self, records: Iterable[TrialRecord], penalty_loss: float) -> Point:
        """The reference point of hypervolumes: the limits where there are, else the worst that was seen.

        That of the loss is ``penalty_loss``, that of recall zero.
        """
        limits = {limit.quantity: limit.bound for limit in self.limits}
        seen = list(records)

        def worst(quantity: Quantity) -> float:
            if quantity.name == LOSS:
                return penalty_loss
            if quantity in limits:
                return quantity.minimised(limits[quantity])
            if quantity.is_recall:
                return 0.0
            return max((quantity.minimised(record.figures[quantity.name]) for record in seen), default=0.0)

        return tuple(worst(quantity) for quantity in self.objectives)


def _objective(text: str, dtype: DType) -> Quantity:
    try:
        return Quantity.parse(text, dtype)
    except InputError as error:
        raise InputError(f"objective {text!r}: {error}") from None


def _column(text: str) -> Quantity:
    if not is_task(text.strip()):
        raise InputError(f"column {text!r}: not one of {TASK_FORMS}")
    return Quantity(parse_task(text.strip()).objective)


def _require_latency(main: Quantity) -> None:
    if main.workload is None or not main.workload.is_latency:
        raise InputError(
            f"workload {main.name!r}: a search is about a latency (decode, prefill or generate); "
            f"--objective {main.name} may stand beside it"
        )


def _refuse_twice(what: str, quantities: Sequence[Quantity]) -> None:
    twice = next((quantity for quantity in quantities if quantities.count(quantity) > 1), None)
    if twice is not None:
        raise InputError(f"{what} {twice.name}: given twice")
