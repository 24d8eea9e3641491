"""How well shorter trainings rank networks as the longest does, with the losses of experiments/search-table.

Writes ``recorded/table.csv``, which ``nas-search agreement`` reads, too.
"""

import pandas as pd
from agreeing import LATENCY, PREFIX, agreement, budgets, own_losses, recorded_losses
from comparing import Analysis
from study_results import Results


def analyse(results: Results) -> Analysis:
    """Correlations of every budget with the last."""
    frame, difference = losses(results)
    more = {"greatest_difference_to_recorded": difference}
    return agreement(results, frame, budgets(frame), [_repeated(difference)], more)


def losses(results: Results) -> tuple[pd.DataFrame, float | None]:
    """A row for each network, by notation; and the greatest difference where a budget was recorded before."""
    own, recorded = own_losses(results, PREFIX), recorded_losses(results)
    if recorded is None:
        return own, None
    both = [name for name in budgets(own) if name in recorded]
    differences = [float((own[name] - recorded[name]).abs().max()) for name in both]
    more = [LATENCY, *(name for name in budgets(recorded) if name not in own)]
    return own.join(recorded[more]), max(differences, default=None)


def _repeated(difference: float | None) -> str:
    if difference is None:
        return "no budget was recorded before"
    return f"where a budget was recorded before, the same training differs by at most {difference:.2g} bits per byte"
