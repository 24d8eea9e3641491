"""The first of two stages: a scaling law, trained for or given, chooses depth and width under the latency budget."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from nas_search.files import write_text_atomic
from nas_search.profiler.table import LatencyTable
from nas_search.proxies.scaling_law import ScalingLaw
from nas_search.proxies.schedule import check_rungs
from nas_search.proxies.twin import TwinRule
from nas_search.search.chosen_shape import ChosenShape
from nas_search.search.depth_width import choose, time_shapes
from nas_search.search.law_grid import shapes, trained_networks
from nas_search.search.law_source import check_law, read_law
from nas_search.search.law_training import LawTraining
from nas_search.search.network_latency import table_latencies
from nas_search.search.setting import Setting
from nas_search.search.sitting import Sitting
from nas_search.search.table_stage import table_is_not_lost
from nas_search.search.two_stage import TwoStage

LAW = "law.json"
"""In the run directory: the law, as it was when the study began."""


def check_two_stage(setting: Setting, run_dir: Path) -> None:
    """Raise InputError for what would stop the first stage, if there are two."""
    options = setting.config.two_stage
    if options is None:
        return
    shapes(options, setting.space)
    if options.law is None:
        trained_networks(options, setting.space, setting.corpus.vocabulary, twins=None).networks()
        check_rungs(setting.config.recipe, [_tokens(options, setting)])
    elif not (run_dir / LAW).exists():
        check_law(options.law, setting.corpus.hash)


def first_stage(
    sitting: Sitting, table: LatencyTable, limit: float | None, twins: TwinRule | None, before: ChosenShape | None
) -> tuple[Sitting, ChosenShape | None]:
    """The sitting that goes on in the space of the second stage, and the shape that was chosen for it.

    A search of one stage goes on as it is. ``before`` is what was chosen when the study began, and stays. ``limit`` is
    the latency budget in the workload's unit. Raises InputError if no shape meets it.
    """
    options, setting = sitting.config.two_stage, sitting.setting
    if options is None or limit is None:
        return sitting, None
    shape = before or _choose(options, sitting, table, limit, twins)
    sitting.log.append("shape", depth=shape.depth, width=shape.width)
    for fact in shape.facts:
        sitting.observer.note(fact)
    return replace(sitting, setting=replace(setting, space=shape.second_stage(setting.space))), shape


def _choose(
    options: TwoStage, sitting: Sitting, table: LatencyTable, limit: float, twins: TwinRule | None
) -> ChosenShape:
    """Latencies come first: if none is within the limit, there is nothing to train for."""
    setting = sitting.setting
    latencies = table_latencies(table, setting.workload)
    budget = f"{np.format_float_positional(limit)}ms"
    with table_is_not_lost(sitting):
        timed = time_shapes(shapes(options, setting.space), budget, latencies, setting.workload)
    law = _law(options, sitting, twins)
    tokens = float(law.observed["tokens"].values[-1] if "tokens" in law.dropped else sitting.config.tokens)
    return ChosenShape.of(choose(law, timed, device=setting.device.description, tokens=tokens), law)


def _law(options: TwoStage, sitting: Sitting, twins: TwinRule | None) -> ScalingLaw:
    """The one that the run keeps, or the one that it keeps from now on."""
    kept = sitting.run.path / LAW
    if not kept.exists():
        write_text_atomic(kept, _new_law(options, sitting, twins).to_json())
    law = ScalingLaw.load(kept)
    if law.corpus is None:
        sitting.observer.note(f"law of {law.source}: on what text it was fitted is not known")
    return law


def _new_law(options: TwoStage, sitting: Sitting, twins: TwinRule | None) -> ScalingLaw:
    setting = sitting.setting
    if options.law is not None:
        return read_law(options.law, seed=sitting.config.seed)
    grid = trained_networks(options, setting.space, setting.corpus.vocabulary, twins)
    return LawTraining(sitting, grid.networks(), _tokens(options, setting)).law()


def _tokens(options: TwoStage, setting: Setting) -> int:
    """What networks are trained for a law: as given, or the rung below the top."""
    return options.tokens or setting.ladder.tokens[max(setting.ladder.top - 1, 0)]
