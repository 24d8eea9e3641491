"""The top of a report: what won, how it was found, and whether the run is complete."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from nas_search.results import figures
from nas_search.results.html import Html, definitions, element, join
from nas_search.results.strip import html_legend, svg_strip
from nas_search.space.architecture import Architecture

if TYPE_CHECKING:
    from nas_search.profiler.measurement import Measurement
    from nas_search.results.view import RunView
    from nas_search.search.trial import Confirmation, TrialRecord


def headline(view: RunView) -> Html:
    """Title, winner with its figures, the question that was asked, and a notice if something is missing."""
    kicker = element("p", f"nas-search · {view.name}", class_="kicker")
    confirmed = view.winner.confirmed if view.winner else None
    found = _winner(view.unit, view.winner, confirmed) if view.winner and confirmed else _no_winner(view)
    return element("header", kicker, *_notices(view), found, _question(view))


def _winner(unit: str, winner: TrialRecord, confirmed: Confirmation) -> Html:
    architecture = Architecture.parse(winner.architecture)
    title = element("h1", f"Winner: {architecture.depth} operators, width {architecture.width}")
    notation = element("p", element("code", winner.architecture), class_="notation")
    tiles = element(
        "div",
        _latency_tile(unit, confirmed.latency),
        _loss_tile(confirmed),
        _tile("parameters", figures.count(winner.parameters), f"{winner.parameters:,}"),
        class_="tiles",
    )
    return join([title, svg_strip(architecture), html_legend([architecture]), notation, tiles])


def _latency_tile(unit: str, latency: Measurement) -> Html:
    clock = "CPU time" if latency.clock == "cpu" else "wall time"
    detail = f"95 % interval {figures.interval(latency.low_ms, latency.high_ms)}; n = {latency.n}, {clock}"
    return _tile(f"{unit}, measured", figures.latency(latency.latency_ms), detail)


def _loss_tile(confirmed: Confirmation) -> Html:
    seeds = len(confirmed.scores)
    detail = f"{seeds} seed{'s' * (seeds > 1)}, {confirmed.tokens:,} tokens each"
    return _tile("bits per byte, mean" if seeds > 1 else "bits per byte", figures.bits(confirmed.bits_per_byte), detail)


def _tile(label: str, value: str, detail: str) -> Html:
    return element("div", element("strong", value), element("span", label), element("small", detail), class_="tile")


def _no_winner(view: RunView) -> Html:
    title = element("h1", "No winner" if view.finished else "No winner yet")
    return join([title, element("p", _why_no_winner(view), class_="lead")])


def _why_no_winner(view: RunView) -> str:
    if not view.records:
        return "Nothing was proposed yet."
    if view.front:
        best = min(view.front, key=lambda record: record.point[1])
        return (
            f"The front has {len(view.front)} members, and none of them is confirmed. Lowest loss as searched: trial "
            f"{best.number}, {figures.bits(best.bits_per_byte)} bits per byte at a predicted "
            f"{figures.latency(best.latency_ms)} {view.unit}."
        )
    states = Counter(record.state for record in view.records)
    if states["too_slow"] + states["duplicate"] == len(view.records):
        fastest = min(view.records, key=lambda record: record.latency_ms)
        return (
            f"All {len(view.records)} proposals are predicted to be slower than the budget; the fastest is "
            f"{fastest.architecture} with {figures.latency(fastest.latency_ms)} {view.unit}."
        )
    return (
        f"None of the {len(view.records)} proposals met the budget and finished training: {states['too_slow']} were "
        f"too slow, {states['stopped']} stopped, {states['failed']} failed. The table of proposals has the reasons."
    )


def _notices(view: RunView) -> list[Html]:
    notices = []
    if not view.finished:
        notices.append("This run is unfinished: the figures are those of the moment when this report was written.")
    limit_ms = view.facts.limit_ms
    confirmed = view.winner.confirmed if view.winner else None
    if limit_ms is not None and confirmed and confirmed.latency.latency_ms > limit_ms:
        notices.append("Measured end to end, no confirmed member is within the budget; this is the fastest of them.")
    return [element("p", notice, class_="notice") for notice in notices]


def _question(view: RunView) -> Html:
    return definitions([
        ("device", f"{view.device.name}: {view.device.fingerprint.get('cpu', view.device.id)}"),
        ("workload", f"{view.workload} ({view.unit})"),
        ("budget", _budget(view)),
        ("candidates", f"{len(view.records)} proposed, {view.trained} trained, {len(view.front)} on the front"),
        ("time", figures.duration(sum(view.seconds.values()))),
        ("written", f"{view.read_at:%Y-%m-%d %H:%M} UTC"),
    ])  # fmt: skip


def _budget(view: RunView) -> str:
    if view.facts.limit_ms is None:
        return "none"
    return f"{figures.latency(view.facts.limit_ms)} {view.unit} ({view.config.latency_budget})"
