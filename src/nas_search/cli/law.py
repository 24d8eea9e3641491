"""``nas-search law``: the scaling law of depth, width and tokens, and depth and width by it."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from nas_search.cli.console import Json, print_json
from nas_search.cli.group import add_group
from nas_search.cli.law_choose import choose
from nas_search.cli.law_input import DATA, LAW, MOST_TOKENS, PAGE, fitted_law, law_points
from nas_search.cli.output import check_targets, write_target


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    about = "The scaling law L = L0 + a D^-alpha + b W^-beta + c N^-gamma of depth, width and training tokens."
    add_group(app, "law", about, [fit, choose], "say what to do: fit or choose")


def fit(
    data: Annotated[Path, typer.Argument(metavar="RUN|TABLE", help=DATA)],
    tokens: Annotated[
        int | None,
        typer.Option(help="Take only the losses after so many training tokens (default: all).", min=1, max=MOST_TOKENS),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the starts and of the bootstrap.", min=0, max=2**32 - 1)] = 0,
    out: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Write the law (.json) or a page with a picture (.html); repeatable."),
    ] = None,
    json: Json = False,
) -> None:
    """Fit the law to losses, with bootstrap intervals and its error on networks larger than those it was fitted on."""
    targets = check_targets(out or [], (LAW, PAGE))
    points = law_points(data, tokens)
    law = fitted_law(points, seed)
    from nas_search.cli.law_view import law_facts, print_law
    from nas_search.results.law_page import law_html

    texts: dict[str, Callable[[], str]] = {LAW: law.to_json, PAGE: lambda: law_html(law, points, law_facts(law))}
    for path, suffix in targets:
        write_target(path, texts[suffix]())
    if json:
        print_json(law.model_dump(mode="json", exclude={"resamples"}))
    else:
        print_law(law)
