"""Who goes up to the next rung: whoever may still enter the front, if that is worth the training that it takes.

A candidate goes up if its chance of entering the front, for each unit of the training that it still needs, is at least
a share of the members of the front that the search has found for each unit so far. With a share of one this is the
marginal value theorem (Charnov 1976, "Optimal foraging"), by which a search with a fixed amount of training finds most.
But searches have a fixed number of trials, and a candidate that stops has used up one: so the share is smaller.

The unit is the time of training: tokens times the root of the parameters. Seconds by the clock would make what a search
finds depend on what else the machine did, and where small networks do not fill it they grow slower than parameters.
"""

from __future__ import annotations

import numpy as np

from nas_search.search.evidence import Evidence, Standing

WORTH = 0.25
"""The share. Replays of recorded learning curves (experiments/search-table) chose it."""
FIXED_SHARE = 0.05
"""Of the candidates that would stop on a rung this share goes up, so that extrapolation is put to the test."""
_FIXED_SHARE_STREAM = 2


def goes_up(standing: Standing, evidence: Evidence, *, seed: int, proposal_index: int, worth: float = WORTH) -> bool:
    """Whether a candidate that has finished a rung below the top trains on."""
    rung = len(standing.losses) - 1
    return is_promising(standing, evidence, worth) or in_fixed_share(seed, proposal_index, rung)


def is_promising(standing: Standing, evidence: Evidence, worth: float = WORTH) -> bool:
    """Whether a candidate's chance of entering the front is worth its training; more than even chances always are.

    The chance is one if nothing on the top rung is as good in all that is known without training.
    """
    best = evidence.best(standing.known)
    if best is None:
        return True
    chance = evidence.curves.at_top(standing.losses, standing.features).chance_below(best)
    return chance >= min(0.5, worth * evidence.rate * evidence.needed(standing))


def in_fixed_share(seed: int, proposal_index: int, rung: int) -> bool:
    """Whether a proposal is of the share that goes up from ``rung`` regardless; depends on nothing else."""
    draw = np.random.default_rng([seed, proposal_index, rung, _FIXED_SHARE_STREAM]).random()
    return bool(draw < FIXED_SHARE)
