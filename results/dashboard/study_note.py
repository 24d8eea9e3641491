"""What the dashboard tells of a whole run: where it stands, its front, and how far to trust it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from nas_search.results import figures
from nas_search.results.dashboard.markdown import code, paragraphs, table
from nas_search.results.limits import limits_of

if TYPE_CHECKING:
    from nas_search.results.view import RunView
    from nas_search.search.trial import TrialRecord

READ_ONLY = "This dashboard only reads the run: what is edited, renamed or deleted here is refused."
_STATES = {"over_limit": "over a limit", "below_limit": "below a limit on recall", "duplicate": "duplicates"}


def study_note(view: RunView, links: Mapping[str, str], trial_links: str) -> str:
    """The note of a run as Markdown. ``links`` are files by name; ``trial_links`` ends before a trial's number."""
    files = ", ".join(f"[{name}]({address})" for name, address in links.items())
    return paragraphs([
        f"**{_standing(view)}** {_counts(view)}",
        f"{view.workload} on {code(view.device.description)}; latencies of trials are {view.predicted}.",
        _limits(view),
        _front(view, trial_links),
        f"Files: {files}." if files else "",
        code(view.command),
        "\n".join(f"- {sentence}" for sentence in limits_of(view)),
        READ_ONLY,
    ])  # fmt: skip


def run_facts(view: RunView) -> dict[str, str]:
    """What a run is about, by name, for the dashboard's table of attributes."""
    return {
        "device": view.device.description,
        "latencies of trials": view.predicted,
        "limits": "; ".join(map(figures.limit, view.goals.limits)) or "none",
        "objectives": "; ".join(map(figures.title, view.goals.objectives)),
        "training": f"{view.ladder.tokens[-1]:,} tokens of {view.config.data} ({view.config.tokenizer})",
    }


def note_before_search(running: bool) -> str:
    """The note of a run that has no trial and no latency table yet."""
    doing = "It is recording its latency table." if running else "Nobody is at work in the run directory."
    return f"**The search has not begun.** {doing} Trials appear here as they are proposed.\n\n{READ_ONLY}"


def note_of_a_problem(problem: str, before: str) -> str:
    """A note that says first why it is no longer that of now."""
    return f"**The run could not be read again, so everything here is older:** {code(problem)}\n\n{before}"


def _standing(view: RunView) -> str:
    if view.running:
        return "The search is running."
    return "The search is finished." if view.finished else f"Unfinished: nas-search resume {view.run_dir} goes on."


def _counts(view: RunView) -> str:
    counts = Counter(record.state for record in view.records)
    states = ", ".join(f"{count} {_STATES.get(state, state)}" for state, count in counts.items())
    return f"{len(view.records)} proposals{f': {states}' if states else ''}."


def _limits(view: RunView) -> str:
    if not view.goals.limits:
        return "No limits."
    limits = "; ".join(map(figures.limit, view.goals.limits))
    infeasible = sum(view.goals.excess(record.figures) > 0 for record in view.records)
    return f"Limits: {limits}. {infeasible} of {len(view.records)} proposals are infeasible, by predicted figures."


def _front(view: RunView, trial_links: str) -> str:
    if not view.members:
        return "No trial is on the front."
    main = view.goals.main
    head = [
        "trial",
        f"{figures.title(main)} {view.predicted}",
        "measured",
        "bits per byte",
        "confirmed",
        "architecture",
    ]
    return table(head, (_member(record, view, trial_links) for record in view.members))


def _member(record: TrialRecord, view: RunView, trial_links: str) -> list[str]:
    measured, confirmed = record.measured(view.goals.main.name), record.confirmed
    wins = view.winner is not None and view.winner.number == record.number
    return [
        f"[{record.number}]({trial_links}{record.number}){' (winner)' if wins else ''}",
        figures.latency(record.latency_ms),
        figures.latency(None if measured is None else measured.value),
        figures.bits(record.bits_per_byte),
        figures.bits(None if confirmed is None else confirmed.bits_per_byte),
        code(record.architecture),
    ]
