"""The README of a winner: confirmed figures only, each with what it takes to judge it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas_search.profiler.workload import Workload
from nas_search.results import figures
from nas_search.space.architecture import Architecture

if TYPE_CHECKING:
    from nas_search.profiler.measurement import Measurement
    from nas_search.search.study import Study
    from nas_search.search.trial import Confirmation, TrialRecord

_CARD = """\
# {architecture}

A hybrid language model found by nas-search{budget}. It was trained briefly, to rank architectures: expect text
that looks right and makes no sense.

| | |
|---|---|
| latency | {latency} |
| workload | {workload} |
| device | {device} |
| bits per byte | {loss} |
| per seed | {seeds} |
| trained on | {tokens:,} tokens of {data}, corpus {corpus} |
| parameters | {parameters:,} |
| operators | {operators} |

The weights are those of seed {best_seed}, the best of {n_seeds}. Losses are measured on held-out text and compare
only at equal corpus and tokens.
{clock_note}
```python
import nas_search
model = nas_search.load("{folder}")
print(model.generate_text("import ", new_tokens=200))
```
"""
_CPU_CLOCK_NOTE = """
The latency is CPU time of one thread, since other work was running on the machine: it ranks architectures, but is not
what a user waits for.
"""


def winner_card(study: Study, winner: TrialRecord, confirmed: Confirmation, folder: str) -> str:
    """Markdown for ``winner``; ``folder`` is the path that the snippet loads."""
    architecture = Architecture.parse(winner.architecture)
    unit = Workload.parse(study.config.workload).unit
    return _CARD.format(
        architecture=winner.architecture,
        budget=_budget(study, unit),
        latency=_latency(confirmed.latency, unit),
        workload=study.config.workload,
        device=study.table.device.description,
        loss=_loss(confirmed),
        seeds=", ".join(f"seed {score.seed}: {figures.bits(score.bits_per_byte)}" for score in confirmed.scores),
        tokens=confirmed.tokens,
        data=f"'{study.config.data}' ({study.config.tokenizer})",
        corpus=study.facts.corpus if study.facts else "",
        parameters=architecture.parameters,
        operators=_operators(architecture),
        best_seed=confirmed.best.seed,
        n_seeds=len(confirmed.scores),
        clock_note=_CPU_CLOCK_NOTE if confirmed.latency.clock == "cpu" else "",
        folder=folder,
    )


def _budget(study: Study, unit: str) -> str:
    if study.limit_ms is None:
        return ""
    return f" for a latency budget of {figures.latency(study.limit_ms)} {unit} ({study.config.latency_budget})"


def _latency(latency: Measurement, unit: str) -> str:
    return (
        f"{figures.latency(latency.latency_ms)} {unit} measured end to end (median of n = {latency.n}, 95 % interval "
        f"{figures.interval(latency.low_ms, latency.high_ms)}, {latency.clock} clock)"
    )


def _loss(confirmed: Confirmation) -> str:
    seeds = len(confirmed.scores)
    return f"{figures.bits(confirmed.bits_per_byte)}{f', mean of {seeds} seeds' if seeds > 1 else ', one seed'}"


def _operators(architecture: Architecture) -> str:
    titles = [operator.title for operator in architecture.operators]
    counts = ", ".join(f"{titles.count(title)} {title}" for title in dict.fromkeys(titles))
    return f"{architecture.depth} ({counts}), width {architecture.width}"
