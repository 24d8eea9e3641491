"""``nas-search agreement``: how far short trainings and cheaper proxies can be trusted."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from nas_search.cli.agreement_view import agreement_facts, agreement_rows, print_agreement
from nas_search.cli.console import Json, print_json, stderr
from nas_search.cli.output import check_targets, write_target
from nas_search.cli.progress import progress_bar
from nas_search.errors import InputError

if TYPE_CHECKING:
    from nas_search.proxies.agreement import Agreement, Scores

PAGE = ".html"


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(agreement)


def agreement(
    data: Annotated[
        Path,
        typer.Argument(metavar="RUN|TABLE", help="A run directory, or a .csv or .parquet table with a row a network."),
    ],
    losses: Annotated[
        str | None,
        typer.Option(
            metavar="COL,COL,...", help="A table's columns of losses, shortest training first; the last is the truth."
        ),
    ] = None,
    latency: Annotated[str | None, typer.Option(metavar="COL", help="A table's column of latencies.")] = None,
    against: Annotated[
        Literal["top", "confirmed"],
        typer.Option(help="What is the truth in a run: the top rung, or the confirmations."),
    ] = "top",
    zero_cost: Annotated[
        bool,
        typer.Option("--zero-cost", help="Compare scores of untrained networks, too; a second or so for each."),
    ] = False,
    bands: Annotated[int, typer.Option(help="Number of bands of equal latency.", min=2, max=1000)] = 4,
    tau: Annotated[
        float,
        typer.Option(help="Find the shortest training with this tau at the lower end of its interval.", min=-1, max=1),
    ] = 0.8,
    seed: Annotated[int, typer.Option(help="Seed of resamples and untrained networks.", min=0, max=2**32 - 1)] = 0,
    out: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Write a page with a picture (.html); repeatable.")
    ] = None,
    json: Json = False,
) -> None:
    """Rank correlation of short trainings, parameters and depth with a longer training, also at equal latency."""
    targets = check_targets(out or [], (PAGE,))
    scores = _scores(data, losses, latency, against)
    if zero_cost:
        scores = _with_zero_cost(scores, data, seed)
    from nas_search.proxies.agreement import measure_agreement

    found = measure_agreement(scores, bands=bands, seed=seed)
    for path, _ in targets:
        write_target(path, _page(found, tau))
    if json:
        print_json(_document(found, tau))
    else:
        print_agreement(found, tau)


def _scores(data: Path, losses: str | None, latency: str | None, against: Literal["top", "confirmed"]) -> "Scores":
    if data.is_dir():
        if losses is not None or latency is not None:
            raise InputError(f"{data}: --losses and --latency name columns of a table, and this is a run")
        from nas_search.search.run_scores import run_scores
        from nas_search.search.study import Study

        return run_scores(Study.open(data), against)
    if against == "confirmed":
        raise InputError(f"{data}: --against says what is the truth in a run; in a table it is the last of --losses")
    from nas_search.proxies.agreement_table import read_scores

    names = [name.strip() for name in (losses or "").split(",") if name.strip()]
    return read_scores(data, names, latency)


def _with_zero_cost(scores: "Scores", data: Path, seed: int) -> "Scores":
    """On the text of a run, or on the embedded text."""
    if not scores.architectures:
        raise InputError(f"{data}: --zero-cost needs a column 'architecture' with notations")
    from nas_search.proxies.data import load_corpus
    from nas_search.proxies.zero_cost import zero_cost_proxies
    from nas_search.search.study import Study
    from nas_search.space.architecture import Architecture

    config = Study.open(data).config if data.is_dir() else None
    corpus = load_corpus(config.data, config.tokenizer) if config else load_corpus()
    architectures = [Architecture.parse(notation) for notation in scores.architectures]
    with progress_bar(stderr(), "scoring untrained networks") as report:
        return scores.with_proxies(zero_cost_proxies(architectures, corpus, seed=seed, progress=report))


def _page(found: "Agreement", tau: float) -> str:
    from nas_search.results.agreement_page import agreement_html

    return agreement_html(found, agreement_rows(found), agreement_facts(found, tau), tau)


def _document(found: "Agreement", tau: float) -> dict[str, Any]:
    shortest = {name: found.shortest(tau, in_bands=name == "in_bands") for name in ("overall", "in_bands")}
    names = {name: None if proxy is None else proxy.name for name, proxy in shortest.items()}
    return found.model_dump(mode="json") | {"shortest": {"tau": tau} | names}
