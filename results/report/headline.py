"""The top of a report: what won, how it was found, and whether the run is complete."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from nas_search.results import figures
from nas_search.results.html import Html, definitions, element, join
from nas_search.results.outcomes import over_limits
from nas_search.results.strip import html_legend, html_strip
from nas_search.search.choice import confirmed_figures
from nas_search.search.front import LOSS_COORDINATE
from nas_search.space.architecture import Architecture

if TYPE_CHECKING:
    from nas_search.proxies.recall_result import RecallScore
    from nas_search.results.view import RunView
    from nas_search.search.objectives import Quantity
    from nas_search.search.trial import Confirmation, TrialRecord, TrialState


def headline(view: RunView) -> Html:
    """Title, winner with its figures, the question that was asked, and a notice if something is missing."""
    kicker = element("p", f"nas-search · {view.name}", class_="kicker")
    confirmed = view.winner.confirmed if view.winner else None
    found = _winner(view, view.winner, confirmed) if view.winner and confirmed else _no_winner(view)
    return element("header", kicker, *_notices(view), found, _question(view))


def _winner(view: RunView, winner: TrialRecord, confirmed: Confirmation) -> Html:
    architecture = Architecture.parse(winner.architecture)
    title = element("h1", f"Winner: {architecture.depth} operators, width {architecture.width}")
    notation = element("p", element("code", winner.architecture), class_="notation")
    tiles = element(
        "div",
        _figure_tile(view, winner, view.goals.main),
        _loss_tile(confirmed),
        *(_figure_tile(view, winner, quantity) for quantity in view.goals.further),
        *(_recall_tile(task, score) for task, score in confirmed.recalls.items()),
        _tile("parameters", figures.count(winner.parameters), f"{winner.parameters:,}"),
        class_="tiles",
    )
    return join([title, html_strip(architecture.operators), html_legend([architecture]), notation, tiles])


def _figure_tile(view: RunView, winner: TrialRecord, quantity: Quantity) -> Html:
    """A measured figure with its interval, or a predicted one that says so."""
    label = quantity.unit if quantity == view.goals.main else figures.title(quantity)
    measured = winner.measured(quantity.name)
    if measured is None:
        return _tile(f"{label}, {view.predicted}", figures.significant(winner.figures[quantity.name]), "not measured")
    detail = f"95 % interval {figures.measured_interval(measured)}"
    if quantity.workload is not None and quantity.workload.is_latency:
        detail += f", {figures.clock_name(measured, view.device.kind)}"
    return _tile(f"{label}, measured", figures.significant(measured.value), detail)


def _loss_tile(confirmed: Confirmation) -> Html:
    seeds = len(confirmed.scores)
    detail = f"{seeds} seed{'s' * (seeds > 1)}, {confirmed.tokens:,} tokens each"
    return _tile("bits per byte, mean" if seeds > 1 else "bits per byte", figures.bits(confirmed.bits_per_byte), detail)


def _recall_tile(task: str, score: RecallScore) -> Html:
    seeds = len(score.accuracies)
    detail = f"one seed: {figures.recall(score)}" if seeds == 1 else f"mean of {seeds} seeds: {figures.recall(score)}"
    return _tile(f"{task}, answers right", figures.percent(score.mean), detail)


def _tile(label: str, value: str, detail: str) -> Html:
    return element("div", element("strong", value), element("span", label), element("small", detail), class_="tile")


def _no_winner(view: RunView) -> Html:
    title = element("h1", "No winner" if view.finished else "No winner yet")
    return join([title, element("p", _why_no_winner(view), class_="lead")])


def _why_no_winner(view: RunView) -> str:
    if not view.records:
        return "Nothing was proposed yet."
    if not any(record.finished_at for record in view.records):
        return f"{len(view.records)} proposals, and none of them has ended."
    if view.front:
        best = min(view.front, key=lambda record: view.goals.point(record)[LOSS_COORDINATE])
        return (
            f"The front has {len(view.front)} members, and none of them is confirmed. Lowest loss as searched: trial "
            f"{best.number}, {figures.bits(best.bits_per_byte)} bits per byte at a predicted "
            f"{figures.latency(best.latency_ms)} {view.unit} ({view.table.source})."
        )
    states = Counter(record.state for record in view.records)
    if states["over_limit"] + states["duplicate"] == len(view.records):
        nearest = min(view.records, key=lambda record: view.goals.excess(record.figures))
        return (
            f"All {len(view.records)} proposals are predicted to miss a limit; the nearest is "
            f"{nearest.architecture}: {over_limits(nearest, view.goals)}. {_fastest(view)}"
        )
    return (
        f"None of the {len(view.records)} proposals kept the limits and finished training: {states['over_limit']} were "
        f"over a limit, {_below(states)}{states['stopped']} stopped, {states['failed']} failed. The table of proposals "
        "has the reasons."
    )


def _below(states: Counter[TrialState]) -> str:
    below = states["below_limit"]
    return f"{below} below a limit on recall, " if below else ""


def _fastest(view: RunView) -> str:
    fastest = min(view.records, key=lambda record: record.latency_ms)
    return (
        f"The fastest is trial {fastest.number}, {fastest.architecture}, with a predicted "
        f"{figures.latency(fastest.latency_ms)} {view.unit}."
    )


def _notices(view: RunView) -> list[Html]:
    notices = []
    if view.running:
        notices.append(f"Running: {_so_far(view)}, written at {view.read_at:%H:%M:%S} UTC.")
    elif not view.finished:
        notices.append(
            f"This run is unfinished: {_so_far(view)}. The figures are those of the moment when this report was "
            f"written; 'nas-search resume {view.run_dir}' goes on."
        )
    if view.winner and view.goals.excess(confirmed_figures(view.winner)):
        notices.append(
            "Measured end to end, no confirmed member is within all limits; this is the one nearest to them."
        )
    return [element("p", notice, class_="notice") for notice in notices]


def _so_far(view: RunView) -> str:
    trials = f"{view.trained_here:,} of {view.config.trials:,} trials"
    return trials if view.trained_here < view.config.trials else f"{trials}, the front is yet to be confirmed"


def _question(view: RunView) -> Html:
    return definitions([
        ("device", f"{view.device.name}: {view.device.fingerprint.get('cpu', view.device.id)}"),
        ("workload", f"{view.workload} ({view.unit})"),
        ("objectives", "; ".join(map(figures.title, view.goals.objectives))),
        ("limits", _limits(view)),
        *_shape(view),
        ("candidates", f"{len(view.records)} proposed, {_trained(view)}, {len(view.front)} on the front"),
        ("time", figures.duration(sum(view.seconds.values()))),
        ("written", f"{view.read_at:%Y-%m-%d %H:%M} UTC"),
    ])  # fmt: skip


def _shape(view: RunView) -> list[tuple[str, str]]:
    """How depth and width were chosen in a search of two stages."""
    shape = view.facts.shape
    return list(zip(("depth and width", "by prediction", "by law"), shape.facts, strict=True)) if shape else []


def _trained(view: RunView) -> str:
    reused = view.trained - view.trained_here
    elsewhere = f", {reused} trained in a run that this one was warm-started from" if reused else ""
    return f"{view.trained_here} trained{elsewhere}"


def _limits(view: RunView) -> str:
    budget = view.config.latency_budget
    return (
        "; ".join(
            f"{figures.limit(limit)} ({budget})"
            if budget and limit.quantity == view.goals.main
            else figures.limit(limit)
            for limit in view.goals.limits
        )
        or "none"
    )
