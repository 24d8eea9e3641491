"""``nas-search plan``: what a search would take, before it runs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas_search.cli.console import Json, print_json, stderr
from nas_search.cli.progress import progress_bar
from nas_search.cli.search import configuration
from nas_search.search.samplers.names import sampler_names

if TYPE_CHECKING:
    from nas_search.search.study import Study


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(plan)


def plan(
    trials: Annotated[int | None, typer.Option(help="Candidates to train (default: 24).")] = None,
    workers: Annotated[int | None, typer.Option(help="Workers (default: one for each core here).")] = None,
    from_run: Annotated[
        Path | None,
        typer.Option("--from", metavar="RUN", help="Go by the rates of this run, and by its options."),
    ] = None,
    tokens_per_second: Annotated[
        float | None,
        typer.Option(
            min=1e-3, metavar="R", help="Tokens/s at which a worker trains a random member, where nothing is recorded."
        ),
    ] = None,
    space: Annotated[str | None, typer.Option(help="Search space: a name or a YAML file (default: cpu).")] = None,
    sampler: Annotated[str | None, typer.Option(help=f"{', '.join(sampler_names())} (default: bayes).")] = None,
    tokens: Annotated[int | None, typer.Option(help="Training tokens of the top rung.")] = None,
    lowest_rung: Annotated[int | None, typer.Option(help="Tokens below which there is no rung.")] = None,
    deterministic: Annotated[
        bool | None, typer.Option("--deterministic", help="Plan a search with --deterministic.")
    ] = None,
    confirm_members: Annotated[int | None, typer.Option(help="Members of the front to confirm (default: 4).")] = None,
    confirm_tokens: Annotated[
        int | None, typer.Option(help="Training tokens of a confirmation (default: twice those of the top rung).")
    ] = None,
    confirm_seeds: Annotated[int | None, typer.Option(help="Trainings of each of them (default: 2).")] = None,
    table: Annotated[Path | None, typer.Option(help="The search has this latency table and records none.")] = None,
    config: Annotated[Path | None, typer.Option(help="YAML file of the search; options win.")] = None,
    searches: Annotated[int, typer.Option(help="Simulated searches: seeds 0, 1, 2, ...", min=1, max=1000)] = 5,
    json: Json = False,
) -> None:
    """Tell how long a search would take, and how busy its workers would be.

    The engine of real searches runs in virtual time. What trainings take and give is learned from the trials of a run,
    or from 200 recorded ones of the space cpu on a CPU; on another device give --tokens-per-second. Hours are means
    over simulated searches, with the least and the most.
    """
    given = {
        "trials": trials,
        "workers": workers,
        "space": space,
        "sampler": sampler,
        "tokens": tokens,
        "lowest_rung": lowest_rung,
        "deterministic": deterministic,
        "confirm_members": confirm_members,
        "confirm_tokens": confirm_tokens,
        "confirm_seeds": confirm_seeds,
        "table": table,
    }
    study = _study(from_run)
    searched = configuration(
        config, _of_run(study) | {name: value for name, value in given.items() if value is not None}
    )

    from nas_search.cli.plan_view import print_plan
    from nas_search.search.planning.plan import make_plan
    from nas_search.search.planning.plan_input import PlanInput

    planned = PlanInput.of(searched, study, tokens_per_second)
    with progress_bar(stderr(), "simulating") as progress:
        made = make_plan(planned, searches, progress)
    if json:
        print_json(made.model_dump(mode="json"))
    else:
        print_plan(made)


def _study(run: Path | None) -> "Study | None":
    from nas_search.search.study import Study

    return None if run is None else Study.open(run)


def _of_run(study: "Study | None") -> dict[str, Any]:
    """The options of a run, but for what follows from others of them, and its limit on proposals: none are refused."""
    from nas_search.search.config import CONFIRM_TOKENS_FACTOR

    if study is None:
        return {}
    fields = study.config.model_dump(exclude={"proposals"})
    if study.config.confirm_tokens == CONFIRM_TOKENS_FACTOR * study.config.tokens:
        del fields["confirm_tokens"]
    return fields
