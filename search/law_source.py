"""Where scaling laws come from: a file of ``law fit``, or losses that one is fitted to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from nas_search.errors import InputError
from nas_search.proxies.law import fit_law
from nas_search.proxies.law_identity import require_identified, varying
from nas_search.proxies.law_points import LawPoints, read_points
from nas_search.proxies.scaling_law import Factor, ScalingLaw
from nas_search.search.run_points import run_points
from nas_search.search.study import Study

SUFFIX = ".json"
"""Of a law; any other file is a table."""
NEEDED: tuple[Factor, Factor] = ("depth", "width")
"""What a law must know to choose a shape."""


def law_points(path: Path) -> LawPoints:
    """The losses of a run's trials, or the rows of a table. Raises InputError."""
    return run_points(Study.open(path)) if path.is_dir() else read_points(path)


def read_law(path: Path, *, seed: int, progress: Callable[[int, int], object] | None = None) -> ScalingLaw:
    """A law that was stored, or the one of a run or of a table. Raises InputError."""
    if path.suffix.lower() == SUFFIX:
        return ScalingLaw.load(path)
    return fit_law(law_points(path), seed=seed, progress=progress)


def check_law(path: Path, corpus: str) -> None:
    """Raise InputError unless there is a law of depth and width, or losses that tell one, not of another text.

    Nothing is fitted for it.
    """
    if path.suffix.lower() == SUFFIX:
        law = ScalingLaw.load(path)
        law.require(*NEEDED)
        _require_text(path, law.corpus, corpus)
        return
    points = law_points(path)
    factors = varying(points)
    for factor in NEEDED:
        if factor not in factors:
            raise InputError(f"law {path}: {factor} is the same in every row, so it cannot be chosen by them")
    require_identified(points, factors)
    _require_text(path, points.corpus, corpus)


def _require_text(path: Path, there: str | None, here: str) -> None:
    if there not in {None, here}:
        raise InputError(
            f"law {path}: of losses on another text (hash {there}) than this search trains on ({here}); fit one to "
            f"losses on the same text, or leave the law out and networks are trained for one"
        )
