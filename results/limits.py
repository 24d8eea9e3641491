"""What the figures of a study do not show, in plain words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import sqrt
from statistics import fmean, median, variance
from typing import TYPE_CHECKING

from nas_search.proxies.twin import times_fewer
from nas_search.results import figures
from nas_search.search.table_stage import GOOD_MAPE
from nas_search.space.architecture import Architecture

if TYPE_CHECKING:
    from nas_search.results.view import RunView

# Far beyond any screening budget.
LONG_TRAINING_TOKENS = 100_000_000
SEED_SIGMA_BPB = 0.015
"""Spread of one candidate's loss over seeds at 65k tokens with the default recipe."""


def limits_of(view: RunView) -> list[str]:
    """Sentences, the most important first; only those that apply to this study."""
    return [sentence for rule in _RULES for sentence in rule(view)]


def _elsewhere(view: RunView) -> Iterator[str]:
    if any(record.confirmed and record.confirmed.latency for record in view.records):
        return
    if view.table.source == "estimate":
        yield (
            f"No figure of {view.device.name} here is measured: all are estimates from its published bandwidth and "
            "rates (a roofline). Real kernels reach a part of these, some operators a smaller one than others, so even "
            "the order of candidates may be another on the device."
        )
    elif view.confirmed:
        yield (
            f"{view.device.name} was not there to measure on: every latency here, the winner's too, is summed up from "
            "a table that was recorded on such a device."
        )


def _twins(view: RunView) -> Iterator[str]:
    twins = view.facts.twins
    if twins is None:
        return
    networks = [Architecture.parse(record.architecture) for record in view.records]
    times = [times_fewer(network, twins.twin(network)) for network in networks] or [1.0]
    widths = ", ".join(f"{width} as {twin}" for width, twin in twins.widths.items())
    yield (
        "No candidate was trained itself: losses are those of twins, with the same operators in the same order, width "
        f"{widths}, and the {twins.vocabulary:,} tokens of the text. Twins have {_range(min(times), max(times))} times "
        "fewer parameters, and whether large networks rank as their twins do was not measured here."
    )


def _range(low: float, high: float) -> str:
    texts = figures.significant(low, 2), figures.significant(high, 2)
    return texts[0] if texts[0] == texts[1] else " to ".join(texts)


def _optimism(view: RunView) -> Iterator[str]:
    if not view.front:
        return
    yield (
        f"The searched front is optimistic: it is the best of {view.trained} noisy scores, predicted rather than "
        "measured. Where both are given, trust the confirmed figures."
    )
    if not view.confirmed:
        yield f"Nothing is confirmed yet: every latency here is predicted ({view.table.source})."


def _confirmation(view: RunView) -> Iterator[str]:
    main = view.goals.main.name
    changes = [found.value / record.latency_ms - 1 for record in view.confirmed if (found := record.measured(main))]
    if changes:
        change = median(changes)
        yield (
            f"Measured end to end, the members of the front take {100 * abs(change):.1f} % "
            f"{'more' if change >= 0 else 'less'} time than predicted (median of {len(changes)}; the farthest from it "
            f"{100 * max(changes, key=abs):+.1f} %)."
        )
    tokens = next((record.confirmed.tokens for record in view.confirmed if record.confirmed), view.config.tokens)
    if tokens != view.config.tokens:
        yield (
            f"Confirmed losses come from {tokens:,} tokens of training, searched ones from {view.config.tokens:,}: "
            "more tokens lower every loss. Compare confirmed with confirmed."
        )


def _seed_noise(view: RunView) -> Iterator[str]:
    if not view.trained:
        return
    spread = seed_spread(view)
    if spread is None:
        origin = f"about {SEED_SIGMA_BPB} bits per byte (one standard deviation, for models of 0.7 to 0.9 M parameters)"
    else:
        origin = f"{spread:.4f} bits per byte (one standard deviation, pooled over the confirmed members)"
    yield (
        f"Training again with another seed moves the loss by {origin}. Searched losses come from one seed each: "
        f"members of the front closer than {2 * (spread or SEED_SIGMA_BPB):.3f} are not told apart."
    )


def seed_spread(view: RunView) -> float | None:
    """Standard deviation of confirmed losses over seeds, in bits per byte; None if nothing has two seeds."""
    runs = [[score.bits_per_byte for score in record.confirmed.scores] for record in view.confirmed if record.confirmed]
    variances = [variance(losses) for losses in runs if len(losses) > 1]
    return sqrt(fmean(variances)) if variances else None


def _short_training(view: RunView) -> Iterator[str]:
    tokens = max([view.config.tokens, *(r.confirmed.tokens for r in view.confirmed if r.confirmed)])
    if view.trained and tokens < LONG_TRAINING_TOKENS:
        yield (
            f"Nothing here was trained on more than {tokens:,} tokens. Such short budgets favour mixers with a short "
            "convolution (Mamba, Mamba-2, DeltaNet, Gated DeltaNet): attention is still improving fast when training "
            "stops, and may rank higher after a long one."
        )


def _recall(view: RunView) -> Iterator[str]:
    tasks = view.goals.confirmed_recalls
    if not tasks:
        return
    yield (
        f"Recall ({', '.join(task.name for task in tasks)}) is what networks learn in {view.config.recall.steps:,} "
        "steps on made sequences: what one has not learned by then, it may still learn later. Whether a network has "
        "learned it by then often hangs on the seed."
    )


def _stopped(view: RunView) -> Iterator[str]:
    stopped = sum(record.state == "stopped" for record in view.records)
    if stopped:
        yield (
            f"{stopped} of {view.trained} candidates trained no further than a lower rung; such losses are "
            "extrapolated to the top rung (hollow points) and never enter the front."
        )


def _clock(view: RunView) -> Iterator[str]:
    measured = [found for record in view.confirmed if (found := record.measured(view.goals.main.name))]
    on_cpu = view.device.kind == "cpu"
    if on_cpu and (view.table.clock == "device" or any(latency.clock == "device" for latency in measured)):
        yield (
            "Latency is the CPU time of the thread, because other work was running on the machine. It ranks "
            "architectures, but it is not what a user waits for."
        )
    elif view.table.info.busy or any(latency.busy for latency in measured):
        yield "Other work was running on the machine while latency was measured; the intervals are wider for it."


def _table(view: RunView) -> Iterator[str]:
    check = view.check
    if view.table.source == "estimate":
        return
    if check is None:
        yield "The latency table was not checked against networks that it had not seen."
        return
    if not check.within(GOOD_MAPE):
        yield (
            f"The latency table is off by {figures.percent(check.mape_calibrated)} on networks that it had not seen; "
            f"measuring the same network twice differs by {figures.percent(check.mape_rerun)}."
        )
    if not check.depth_only_beaten:
        yield (
            "On this device and workload the table does not clearly predict better than counting operators: latency "
            "depends on depth more than on the choice of mixers."
        )


def _order(view: RunView) -> Iterator[str]:
    if not view.config.deterministic and view.config.worker_count > 1:
        yield (
            f"{view.config.worker_count} workers told their results as they finished, so the same seed need not "
            "propose the same candidates again (a deterministic search would)."
        )


def _reach(view: RunView) -> Iterator[str]:
    yield (
        f"{len(view.records)} of {figures.count(view.space_size)} genomes of the space were proposed, for one device, "
        "one workload and one text. Ranks may differ for larger models, other text or another device."
    )


_RULES: tuple[Callable[[RunView], Iterator[str]], ...] = (
    _elsewhere,
    _twins,
    _optimism,
    _confirmation,
    _clock,
    _short_training,
    _seed_noise,
    _recall,
    _table,
    _stopped,
    _order,
    _reach,
)
