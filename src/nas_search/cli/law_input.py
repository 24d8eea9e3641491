"""Where the data of a scaling law come from, and laws themselves."""

from pathlib import Path
from typing import TYPE_CHECKING

from nas_search.cli.console import stderr
from nas_search.cli.progress import progress_bar

if TYPE_CHECKING:
    from nas_search.proxies.law_points import LawPoints
    from nas_search.proxies.scaling_law import ScalingLaw

LAW, PAGE, SPACE = ".json", ".html", ".yaml"
MOST_TOKENS = 10**18
DATA = (
    "A run directory, or a .csv or .parquet table with the columns depth (in operators), width, tokens and loss, and "
    "latency_ms if there are latencies."
)


def law_points(data: Path, tokens: int | None = None) -> "LawPoints":
    """The losses of a run or of a table; only those after ``tokens`` if it is given."""
    from nas_search.search import law_source

    points = law_source.law_points(data)
    return points if tokens is None else points.at_tokens(tokens)


def fitted_law(points: "LawPoints", seed: int) -> "ScalingLaw":
    """The law of the points, with a progress bar."""
    from nas_search.proxies.law import fit_law

    with progress_bar(stderr(), "fitting") as report:
        return fit_law(points, seed=seed, progress=report)


def read_law(path: Path, seed: int) -> "ScalingLaw":
    """A law that was stored, or the one of a run or of a table, with a progress bar."""
    from nas_search.search import law_source

    with progress_bar(stderr(), "fitting") as report:
        return law_source.read_law(path, seed=seed, progress=report)
