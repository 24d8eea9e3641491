"""What the dashboard tells of a trial in words: what it is, what was predicted, what was found, why it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas_search.results import figures
from nas_search.results.dashboard.markdown import block, code, paragraphs, table
from nas_search.results.outcomes import outcome_reason, state_name
from nas_search.results.palette import operator_title
from nas_search.space.architecture import Architecture

if TYPE_CHECKING:
    from nas_search.profiler.measurement import Measurement
    from nas_search.results.view import RunView
    from nas_search.search.objectives import Limit
    from nas_search.search.trial import Confirmation, TrialRecord

_STRIP_WIDTH = 16
"""Operators on a line: two of the narrow cells of a phone."""


def trial_note(record: TrialRecord, view: RunView) -> str:
    """The note of a trial as Markdown."""
    network = Architecture.parse(record.architecture)
    return paragraphs([
        _headline(record, view),
        code(record.architecture),
        _strip(network),
        _predictions(record, view),
        _losses(record, view),
        _recalls(record, view),
        *(_limit(limit, record) for limit in view.goals.limits),
        _curve(record, view),
        _kernels(record, view),
    ])  # fmt: skip


def _headline(record: TrialRecord, view: RunView) -> str:
    reason = outcome_reason(record, view)
    if record.state == "complete" and view.winner is not None and record.number == view.winner.number:
        reason = ", ".join(filter(None, [reason, "the winner"]))
    because = "" if not reason else f": {code(reason) if record.state == 'failed' else reason}"
    return f"**{state_name(record).capitalize()}**{because}"


def _strip(network: Architecture) -> str:
    """The codes of all operators in their order, and what they stand for."""
    codes = [operator.code for operator in network.operators]
    lines = [" ".join(codes[start : start + _STRIP_WIDTH]) for start in range(0, len(codes), _STRIP_WIDTH)]
    legend = ", ".join(f"{one} {operator_title(one)}" for one in dict.fromkeys(codes))
    return f"{block(chr(10).join(lines))}\n\n{network.depth} operators ({legend}), width {network.width}"


def _predictions(record: TrialRecord, view: RunView) -> str:
    rows = [
        [
            quantity.name,
            f"{figures.significant(record.figures[quantity.name])} {quantity.unit}",
            _measured(record.measured(quantity.name), view),
        ]
        for quantity in view.goals.known
        if quantity.workload is not None
    ]
    counted = ["parameters", f"{record.parameters:,} (counted)", ""]
    return table(["", view.predicted, "measured end to end"], [*rows, counted])


def _measured(measured: Measurement | None, view: RunView) -> str:
    if measured is None:
        return "not measured"
    clock = figures.clock_name(measured, view.device.kind)
    return f"{figures.significant(measured.value)} {measured.unit} ({figures.measured_interval(measured)}, {clock})"


def _losses(record: TrialRecord, view: RunView) -> str:
    twin = "" if record.scored_as is None else f" Trained as its twin, {code(record.scored_as)}."
    lines = [_searched(record, view) + twin]
    if record.confirmed is not None:
        lines.append(_confirmed(record.confirmed))
    return "  \n".join(lines)


def _searched(record: TrialRecord, view: RunView) -> str:
    loss, tokens = record.bits_per_byte, f"{view.ladder.tokens[-1]:,} tokens"
    if loss is None:
        return "Loss: none."
    if record.extrapolated:
        spread = "" if record.loss_sd is None else f" (standard deviation {figures.bits(record.loss_sd)})"
        return f"Loss: {figures.bits(loss)} bits per byte, extrapolated to {tokens}{spread}."
    return f"Loss: {figures.bits(loss)} bits per byte at {tokens}, one seed."


def _confirmed(confirmed: Confirmation) -> str:
    losses = [score.bits_per_byte for score in confirmed.scores]
    seeds = "one seed" if len(losses) == 1 else f"mean of {len(losses)} seeds ({figures.listing(losses)})"
    return f"Confirmed: {figures.bits(confirmed.bits_per_byte)} bits per byte at {confirmed.tokens:,} tokens, {seeds}."


def _recalls(record: TrialRecord, view: RunView) -> str:
    """A line for each recall task that the trial was trained on."""
    lines = []
    for quantity in view.goals.confirmed_recalls:
        searched, confirmed = record.recalls.get(quantity.name), record.confirmed_recall(quantity.name)
        found = [("searched", searched), ("confirmed with other seeds", confirmed)]
        said = "; ".join(f"{figures.recall(score)} of answers right, {stage}" for stage, score in found if score)
        lines += [f"{quantity.name}: {said}."] if said else []
    return "  \n".join(lines)


def _limit(limit: Limit, record: TrialRecord) -> str:
    if limit.quantity.name not in record.figures:
        return f"Limit {figures.limit(limit)}: not trained on it."
    share = limit.over(record.figures[limit.quantity.name])
    by = figures.percent(abs(share))
    kept = f"missed by {by} (infeasible)" if share > 0 else f"kept, {by} to spare"
    return f"Limit {figures.limit(limit)}: {kept}, as {'trained' if limit.quantity.is_recall else 'predicted'}."


def _curve(record: TrialRecord, view: RunView) -> str:
    if not record.rung_scores:
        return ""
    rungs = zip(view.ladder.tokens, record.rung_scores, strict=False)
    return table(["tokens", "bits per byte"], [[f"{tokens:,}", figures.bits(loss)] for tokens, loss in rungs])


def _kernels(record: TrialRecord, view: RunView) -> str:
    measured = record.measured(view.goals.main.name)
    if measured is not None:
        return f"Kernels that ran: {', '.join(map(code, measured.kernels))}."
    kernels = view.table.info.kernels
    return f"Kernels of the latency table: {', '.join(map(code, kernels))}." if kernels else ""
