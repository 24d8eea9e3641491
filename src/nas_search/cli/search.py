"""``nas-search`` without a command, and ``nas-search resume``: run a search and show what came out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas_search.cli.console import Json, print_json, stderr, stdout
from nas_search.errors import InputError
from nas_search.search.samplers.names import sampler_names

if TYPE_CHECKING:
    from nas_search.search.config import SearchConfig
    from nas_search.search.study import Study


def register(app: typer.Typer) -> None:
    """Make the search what ``app`` does without a command, and add ``resume``."""
    app.callback(invoke_without_command=True)(search)
    app.command()(resume)


def search(
    context: typer.Context,
    device: Annotated[
        str | None,
        typer.Option(help="Where latency counts: cpu, cuda, or a GPU's name, here or in a table (default: cpu)."),
    ] = None,
    estimate: Annotated[
        bool | None,
        typer.Option("--estimate", help="Take published rates for a device that is neither here nor in a table."),
    ] = None,
    train_device: Annotated[
        str | None, typer.Option(help="Where training runs: auto, cpu or cuda (default: auto, CUDA if there is one).")
    ] = None,
    train_parameters: Annotated[
        int | None,
        typer.Option(help="Score larger networks as twins of smaller width (default: 20 million, on CUDA a billion)."),
    ] = None,
    space: Annotated[str | None, typer.Option(help="Search space: a name or a YAML file (default: cpu).")] = None,
    workload: Annotated[
        str | None,
        typer.Option(help="decode:CONTEXT, prefill:PROMPT or generate:NEW, with ',batch=N' (default: decode:256)."),
    ] = None,
    latency_budget: Annotated[
        str | None,
        typer.Option(
            help="Limit on the workload: 12ms, 15s, 3x the fastest member, or an architecture's own figure (default: "
            "none)."
        ),
    ] = None,
    objective: Annotated[
        list[str] | None,
        typer.Option(
            metavar="<str>",
            help="What to trade besides the workload: loss, parameters or another workload, also throughput:CONTEXT, "
            "memory:CONTEXT and energy:CONTEXT; repeatable (default: loss).",
        ),
    ] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option(
            metavar="<str>",
            help="Train nothing that is predicted to be over it: prefill:512<=20ms, memory:32768<=2GiB, "
            "parameters<=5M, throughput:1024>=500, energy:256<=5mJ; repeatable.",
        ),
    ] = None,
    sampler: Annotated[str | None, typer.Option(help=f"{', '.join(sampler_names())} (default: bayes).")] = None,
    trials: Annotated[int | None, typer.Option(help="Candidates to train (default: 24).")] = None,
    proposals: Annotated[
        int | None,
        typer.Option(help="Candidates to propose, those over a limit included (default: 20 for each trial)."),
    ] = None,
    hours: Annotated[float | None, typer.Option(help="Propose nothing after this time.")] = None,
    tokens: Annotated[int | None, typer.Option(help="Training tokens of the top rung.")] = None,
    data: Annotated[
        str | None,
        typer.Option(help="embedded, a text, .jsonl or .parquet file, a folder, or prepared data (default: embedded)."),
    ] = None,
    tokenizer: Annotated[str | None, typer.Option(help="bytes or bpe:SIZE (default: bytes).")] = None,
    workers: Annotated[
        int | None, typer.Option(help="Worker processes (default: one for each core; one where training is on CUDA).")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of proposals, weights and data order (default: 0).")] = None,
    table: Annotated[Path | None, typer.Option(help="Use this latency table instead of recording one.")] = None,
    warm_start: Annotated[
        list[Path] | None,
        typer.Option(metavar="RUN", help="Learn from the trials of another run, say for another device; repeatable."),
    ] = None,
    deterministic: Annotated[
        bool | None, typer.Option("--deterministic", help="The same proposals however fast workers are.")
    ] = None,
    strict_kernels: Annotated[
        bool | None, typer.Option("--strict-kernels", help="Fail if an operator would run a slower kernel on a GPU.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="YAML file with any of these; options win.")] = None,
    run: Annotated[Path | None, typer.Option(help="Run directory (default: named after the search, in runs/).")] = None,
    json: Json = False,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Search hybrid small language models for latency on a real device."""
    if context.invoked_subcommand is not None:
        return
    if version:
        import nas_search

        print(nas_search.__version__)
        return
    given = {
        "device": device,
        "estimate": estimate,
        "train_device": train_device,
        "train_parameters": train_parameters,
        "space": space,
        "workload": workload,
        "latency_budget": latency_budget,
        "objectives": objective or None,
        "limits": limit or None,
        "sampler": sampler,
        "trials": trials,
        "proposals": proposals,
        "hours": hours,
        "tokens": tokens,
        "data": data,
        "tokenizer": tokenizer,
        "workers": workers,
        "seed": seed,
        "table": table,
        "warm_start": warm_start or None,
        "deterministic": deterministic,
        "strict_kernels": strict_kernels,
    }
    _run(_configuration(config, given), run, json=json)


def resume(run: Annotated[Path, typer.Argument(metavar="RUN", help="The run directory.")], json: Json = False) -> None:
    """Go on with an interrupted search."""
    from nas_search.search.rundir import read_run

    _run(read_run(run).config(), run, json=json)


def _configuration(path: Path | None, given: dict[str, Any]) -> "SearchConfig":
    from nas_search.search.config import SearchConfig

    fields: dict[str, Any] = {}
    if path is not None:
        try:
            fields = SearchConfig.from_yaml(path.read_text(encoding="utf-8"), str(path)).model_dump(exclude_unset=True)
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"--config {path}: cannot be read: {error}") from None
    fields.update({name: value for name, value in given.items() if value is not None})
    return SearchConfig.checked(fields, "search")


def _run(config: "SearchConfig", run: Path | None, *, json: bool) -> None:
    from nas_search.api import default_run_directory, run_study
    from nas_search.cli.observer import TerminalObserver

    directory = run or default_run_directory(config)
    with TerminalObserver(stderr()) as observer:
        try:
            study = run_study(config, directory, observer)
        except KeyboardInterrupt:
            observer.note(f"Interrupted. Go on with: nas-search resume {directory}")
            raise
    _print_result(study)
    if json:
        from nas_search.cli.document import study_document

        print_json(study_document(study))


def _print_result(study: "Study") -> None:
    from nas_search.results.table import front_table

    console = stdout()
    console.print(front_table(study))
    winner = study.winner()
    if winner is not None:
        console.print(f"winner: {winner.architecture}", style="bold", markup=False)
        console.print(f"  {study.run_dir / 'winner'}", markup=False)
    console.print(f"report: {study.run_dir / 'report.html'}", markup=False)
