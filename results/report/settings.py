"""The sections of a report on how it was found: the table's error, settings, time and provenance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas_search.proxies.corpus_size import repeats
from nas_search.proxies.recall_tasks import parse_task
from nas_search.results import figures
from nas_search.results.html import Column, Html, definitions, element, join, table
from nas_search.results.limits import limits_of

if TYPE_CHECKING:
    from nas_search.profiler.check import Interval, TableCheck
    from nas_search.results.view import RunView

_PHASE_COLOURS = ("#2F6DB5", "#D1550B", "#44AA99", "#999933", "#AA4499", "#8C9AB2")


def table_section(view: RunView) -> Html:
    """The latency table's errors on held-out networks, beside those of measuring again and of counting."""
    if view.table.source == "estimate":
        return element(
            "p", "The table is an estimate from published rates: nothing was measured, so its error is unknown."
        )
    if not view.checks:
        return element("p", "The table was not checked.")
    return join(
        part for name, check in view.checks.items() for part in (element("h3", f"Workload {name}"), _check_table(check))
    )


def _check_table(check: TableCheck) -> Html:
    rows = [
        ["sum of operators, as recorded", figures.percent(check.mape_raw), figures.NONE],
        ["calibrated (used for predictions)", figures.percent(check.mape_calibrated), _tau(check.tau_calibrated)],
        ["depth alone (counting operators)", figures.percent(check.mape_depth_only), _tau(check.tau_depth_only)],
        ["parameters alone", figures.percent(check.mape_parameters_only), _tau(check.tau_parameters_only)],
        ["measuring the same network again", figures.percent(check.mape_rerun), _tau(check.tau_rerun)],
    ]
    columns = [Column("prediction"), Column("MAPE", numeric=True), Column("τ in quartiles", numeric=True)]
    return join([table(columns, rows), element("p", _check_words(check), class_="caption")])


def _check_words(check: TableCheck) -> str:
    return (
        f"Mean absolute percentage error on n = {check.n} random networks that the table had not seen, each measured "
        f"twice ({check.clock} clock). Calibrated minus depth alone: {_points(check.minus_depth_only)}, minus "
        f"parameters alone: {_points(check.minus_parameters_only)} (95 % paired bootstrap; below zero the table is "
        "better)."
    )


def _points(interval: Interval) -> str:
    return f"{100 * interval.low:+.1f} to {100 * interval.high:+.1f} percentage points"


def _tau(value: float | None) -> str:
    return figures.NONE if value is None else f"{value:.2f}"


def settings_section(view: RunView) -> Html:
    """How candidates were scored and proposed."""
    config, recipe = view.config, view.config.recipe
    return definitions([
        ("sampler", config.sampler),
        ("space", f"{config.space} ({figures.count(view.space_size)} genomes)"),
        ("rungs", " → ".join(f"{tokens:,}" for tokens in view.ladder.tokens) + " tokens"),
        ("confirmation", f"{config.confirm_tokens or 0:,} tokens, {config.confirm_seeds} seeds"),
        ("text", f"{config.data}, tokenizer {config.tokenizer}"),
        *_epochs(view),
        ("corpus hash", element("code", view.facts.corpus)),
        ("batch", f"{recipe.batch} windows of {recipe.sequence_length} tokens"),
        ("optimiser", f"{recipe.optimizer_title}, β = ({recipe.beta1:g}, {recipe.beta2:g}), "
                      f"weight decay {recipe.weight_decay:g}"),
        ("learning rate", f"{recipe.learning_rate:g} after {recipe.warmup_tokens:,} tokens of warm-up, gradient norm "
                          f"clipped at {recipe.clip_norm:g}"),
        ("decay", f"the last {figures.percent(recipe.decay_share, 0)} of a rung's tokens"),
        ("validation", f"{recipe.validation_tokens:,} tokens"),
        *_recall(view),
    ])  # fmt: skip


def _recall(view: RunView) -> list[tuple[str, str]]:
    """Only of a search that asks for recall."""
    tasks, recipe = view.goals.confirmed_recalls, view.config.recall
    if not tasks:
        return []
    asked = [(task.name, parse_task(task.name, recipe.pairs)) for task in tasks]
    sizes = ", ".join(
        f"{name} ({task.pairs} pair{'s' * (task.pairs > 1)} in {task.length:,} tokens)" for name, task in asked
    )
    seeds = f"{recipe.seeds} seed{'s' * (recipe.seeds > 1)}"
    return [("recall", f"{sizes}: {recipe.steps:,} steps on each task alone, {seeds} in the search, others to confirm")]


def _epochs(view: RunView) -> list[tuple[str, str]]:
    """Only of a text that is smaller than a budget."""
    said = repeats(view.config.largest_budget, view.facts.train_tokens)
    return [] if said is None else [("epochs", said)]


def time_section(view: RunView) -> Html:
    """Seconds by phase, as one bar and as a table."""
    total = sum(view.seconds.values())
    if not total:
        return element("p", "No time was recorded yet.")
    phases = sorted(view.seconds.items(), key=lambda phase: -phase[1])
    colours = {name: _PHASE_COLOURS[min(i, len(_PHASE_COLOURS) - 1)] for i, (name, _) in enumerate(phases)}
    bar = element("div", *(
        element("i", style=f"flex:{seconds / total:.5f};background:{colours[name]}", title=name)
        for name, seconds in phases
    ), class_="bar")  # fmt: skip
    rows = [
        [join([element("i", class_="dot", style=f"background:{colours[name]}"), name]), f"{seconds:,.1f}",
         figures.percent(seconds / total)]
        for name, seconds in phases
    ]  # fmt: skip
    return join([bar, table([Column("phase"), Column("seconds", numeric=True), Column("share", numeric=True)], rows)])


def provenance_section(view: RunView) -> Html:
    """What is needed to do it again: command, seed, hashes, versions, device."""
    facts = definitions([
        ("seed", str(view.config.seed)),
        ("workers", str(view.config.worker_count)),
        *([] if view.utilisation is None else [("while it searched", str(view.utilisation))]),
        ("order", "deterministic" if view.config.deterministic else "as workers finish"),
        ("table hash", element("code", view.table.hash[:16])),
        ("kernels", ", ".join(view.table.info.kernels)),
        ("clock", view.table.clock),
        *(("warm start", run.summary) for run in view.prior.runs),
        *view.facts.versions.items(),
    ])  # fmt: skip
    device = definitions(view.device.fingerprint.items())
    command = element("pre", element("code", view.command), tabindex=0)
    return join([command, facts, element("h3", f"Device {view.device.id}"), device])


def limits_section(view: RunView) -> Html:
    """What the figures do not show."""
    return element("ul", *(element("li", sentence) for sentence in limits_of(view)), class_="limits")
