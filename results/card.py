"""The README of a winner: confirmed figures, each with what it takes to judge it; what was not measured says so."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from nas_search.proxies.twin import times_fewer
from nas_search.results import figures
from nas_search.results.markdown import inline, rows
from nas_search.space.architecture import Architecture

if TYPE_CHECKING:
    from nas_search.proxies.recall_result import RecallScore
    from nas_search.search.objectives import Limit, Quantity
    from nas_search.search.study import Study
    from nas_search.search.trial import Confirmation, TrialRecord

BRIEFLY = "briefly, to rank architectures: expect text that looks right and makes no sense."
_CARD = """\
# {architecture}

A hybrid language model found by nas-search{limits}.
{trained} {briefly}

| | |
|---|---|
{rows}

The weights are those of seed {best_seed}, the best of {n_seeds}. Losses are measured on held-out text and compare
only at equal corpus and tokens.
{notes}
```python
import nas_search
model = nas_search.load({folder}){remark}
print(model.generate_text("import ", new_tokens=200))
```
"""
_TWIN_NOTE = """
**The weights are not of this architecture but of its twin**, `{twin}`: the same operators in the same order, with
{times} times fewer parameters ({parameters:,}), since the architecture itself was too big to train, or had another
vocabulary than the text. The losses are the twin's too; latency is that of the architecture.
"""
_CPU_CLOCK_NOTE = """
The latency is CPU time of one thread, since other work was running on the machine: it ranks architectures, but is not
what a user waits for.
"""


def winner_card(study: Study, winner: TrialRecord, confirmed: Confirmation, folder: str) -> str:
    """Markdown for ``winner``; ``folder`` is the path that the snippet loads."""
    twin = winner.scored_as
    return _CARD.format(
        architecture=winner.architecture,
        limits=_limits(study),
        trained="It was trained" if twin is None else "Its twin was trained",
        briefly=BRIEFLY,
        rows=rows(card_rows(study, winner, confirmed)),
        best_seed=confirmed.best.seed,
        n_seeds=len(confirmed.scores),
        notes=_notes(study, winner, confirmed),
        folder=json.dumps(folder),
        remark="" if twin is None else "  # the twin",
    )


def card_rows(study: Study, winner: TrialRecord, confirmed: Confirmation) -> list[tuple[str, str]]:
    """Confirmed figures of ``winner``, each with its unit, n and interval; what is of its twin says so."""
    twin = "" if winner.scored_as is None else " (twin)"
    architecture, goals = Architecture.parse(winner.architecture), study.goals
    text = f"'{study.config.data}' ({study.config.tokenizer}), corpus {study.facts.corpus if study.facts else ''}"
    seeds = (f"seed {score.seed}: {figures.bits(score.bits_per_byte)}" for score in confirmed.scores)
    return [
        ("latency", _figure(study, winner, goals.main)),
        ("workload", goals.main.name),
        *((quantity.name, _figure(study, winner, quantity)) for quantity in goals.further),
        ("device", study.table.device.description),
        (f"bits per byte{twin}", _loss(confirmed)),
        (f"per seed{twin}", ", ".join(seeds)),
        *((f"{task}{twin}", _recall(study, score)) for task, score in confirmed.recalls.items()),
        (f"trained on{twin}", f"{confirmed.tokens:,} tokens of {text}"),
        ("parameters", f"{architecture.parameters:,}"),
        ("operators", _operators(architecture)),
    ]


def _figure(study: Study, winner: TrialRecord, quantity: Quantity) -> str:
    measured = winner.measured(quantity.name)
    if measured is None:
        value = figures.significant(winner.figures[quantity.name])
        return f"{value} {quantity.unit}, {figures.predicted(study.source)}: not measured"
    clock = f", {figures.clock_name(measured, study.table.device.kind)}" if quantity == study.goals.main else ""
    return (
        f"{figures.significant(measured.value)} {quantity.unit} measured end to end (median of n = {measured.n}, 95 % "
        f"interval {figures.interval(measured.low, measured.high)}{clock})"
    )


def _limits(study: Study) -> str:
    texts = "; ".join(_limit(study, limit) for limit in study.goals.limits)
    return f" within {texts}" if texts else ""


def _limit(study: Study, limit: Limit) -> str:
    budget = study.config.latency_budget
    return f"{figures.limit(limit)}{f' ({inline(budget)})' if budget and limit.quantity == study.goals.main else ''}"


def _notes(study: Study, winner: TrialRecord, confirmed: Confirmation) -> str:
    notes = ""
    if winner.scored_as is not None:
        twin = Architecture.parse(winner.scored_as)
        times = figures.significant(times_fewer(Architecture.parse(winner.architecture), twin), 3)
        notes += _TWIN_NOTE.format(twin=winner.scored_as, times=times, parameters=twin.parameters)
    latency = confirmed.latency
    if latency is not None and latency.clock == "device" and study.table.device.kind == "cpu":
        notes += _CPU_CLOCK_NOTE
    return notes


def _loss(confirmed: Confirmation) -> str:
    seeds = len(confirmed.scores)
    return f"{figures.bits(confirmed.bits_per_byte)}{f', mean of {seeds} seeds' if seeds > 1 else ', one seed'}"


def _recall(study: Study, score: RecallScore) -> str:
    seeds = len(score.accuracies)
    return (
        f"{figures.recall(score)} of answers right after {study.config.recall.steps:,} steps on the task alone, "
        f"{f'mean of {seeds} seeds' if seeds > 1 else 'one seed'}"
    )


def _operators(architecture: Architecture) -> str:
    return f"{architecture.depth} ({figures.operators(architecture)}), width {architecture.width}"
