"""Losses by a law that is known, with noise."""

from collections.abc import Sequence

import numpy as np

from nas_search.proxies.law_points import LawPoints
from nas_search.proxies.scaling_law import Factor, evaluate

TRUE = {"L0": 1.7, "a": 2.0, "alpha": 0.7, "b": 30.0, "beta": 0.6, "c": 200.0, "gamma": 0.4}
DEPTHS, WIDTHS, TOKENS = (4, 8, 12, 16, 24), (128, 256, 384, 512), (10**6, 3 * 10**6, 10**7)


def true_points(
    depths: Sequence[float] = DEPTHS,
    widths: Sequence[float] = WIDTHS,
    tokens: Sequence[float] = TOKENS,
    *,
    noise: float = 0.0,
    cell_noise: float = 0.0,
    factors: Sequence[Factor] = ("depth", "width", "tokens"),
    seed: int = 0,
) -> LawPoints:
    """All combinations. ``noise`` is that of each log loss, ``cell_noise`` that of each depth and width."""
    rng = np.random.default_rng(seed)
    grid = np.array(np.meshgrid(depths, widths, tokens, indexing="ij"), dtype=np.float64).reshape(3, -1)
    columns = dict(zip(("depth", "width", "tokens"), grid, strict=True))
    symbols = {"depth": ("a", "alpha"), "width": ("b", "beta"), "tokens": ("c", "gamma")}
    names = ["L0", *(name for factor in factors for name in symbols[factor])]
    coefficients = np.array([TRUE[name] for name in names])
    losses = evaluate(coefficients, np.column_stack([columns[factor] for factor in factors]))
    of_cells = np.repeat(rng.standard_normal(len(depths) * len(widths)), len(tokens))
    losses *= np.exp(noise * rng.standard_normal(len(losses)) + cell_noise * of_cells)
    return LawPoints("made", *grid, losses)
