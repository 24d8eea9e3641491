"""``nas-search`` without a command, and ``nas-search resume``: run a search and show what came out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas_search.cli.console import Json, print_json, stderr, stdout
from nas_search.cli.front_view import print_front
from nas_search.errors import InputError, unreadable
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
            "memory:CONTEXT and energy:CONTEXT, recall or needle:LENGTH; repeatable (default: loss).",
        ),
    ] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option(
            metavar="<str>",
            help="Train nothing that is predicted to be over it: prefill:512<=20ms, memory:32768<=2GiB, "
            "parameters<=5M, throughput:1024>=500, energy:256<=5mJ; or only on recall what misses recall>=0.9; "
            "repeatable.",
        ),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="<str>",
            help="Also train confirmed members on a recall task and show how much they recall: recall or "
            "needle:LENGTH; repeatable.",
        ),
    ] = None,
    two_stage: Annotated[
        bool | None,
        typer.Option(
            "--two-stage",
            help="Train networks of some depths and widths for a scaling law, choose both by it under the latency "
            "budget, then search for operators.",
        ),
    ] = None,
    law: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Two stages by this law: what 'law fit' wrote, a table of losses, or a run."),
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
    executor: Annotated[
        str | None, typer.Option(help="Where workers run: local, this machine, or ray, a cluster (default: local).")
    ] = None,
    ray_address: Annotated[
        str | None,
        typer.Option(help="auto or HOST:PORT of a Ray cluster (default: a Ray of its own on this machine)."),
    ] = None,
    workers_per_gpu: Annotated[
        int | None, typer.Option(help="Ray workers that share a GPU, for small candidates (default: 1).")
    ] = None,
    stall_minutes: Annotated[
        float | None,
        typer.Option(help="Kill a worker whose job shows no progress for so long (default: 30)."),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            envvar="NAS_SEARCH_STORAGE",
            help="Keep the study in a database that several drivers share: postgresql://USER@HOST/DATABASE or "
            "sqlite:///FILE (default: a file in the run directory).",
        ),
    ] = None,
    study: Annotated[
        str | None, typer.Option(help="Name of the study in the storage (default: the run directory's name).")
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
        "columns": column or None,
        "two_stage": {"law": law} if law else {} if two_stage else None,
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
        "executor": executor,
        "ray_address": ray_address,
        "workers_per_gpu": workers_per_gpu,
        "stall_minutes": stall_minutes,
        "storage": storage,
        "study": study,
    }
    _run(configuration(config, given), run, json=json)


def resume(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The run directory.")],
    executor: Annotated[
        str | None, typer.Option(help="Where workers run from now on: local or ray (default: as before).")
    ] = None,
    ray_address: Annotated[
        str | None, typer.Option(help="auto or HOST:PORT of a Ray cluster, from now on (default: as before).")
    ] = None,
    json: Json = False,
) -> None:
    """Go on with an interrupted search."""
    from nas_search.search.config import SearchConfig
    from nas_search.search.rundir import read_run

    fields = read_run(run).config().model_dump(mode="json")
    if executor is not None:
        fields |= {"executor": executor, "ray_address": None}
    if ray_address is not None:
        fields |= {"ray_address": ray_address}
    if fields["executor"] == "local":
        fields |= {"workers_per_gpu": 1}
    _run(SearchConfig.checked(fields, "resume"), run, json=json)


def configuration(path: Path | None, given: dict[str, Any]) -> "SearchConfig":
    """What a YAML file says, and the options that were given, which win. Raises InputError."""
    from nas_search.search.config import SearchConfig
    from nas_search.yaml_text import read_text

    fields: dict[str, Any] = {}
    if path is not None:
        try:
            fields = SearchConfig.from_yaml(read_text(path), str(path)).model_dump(exclude_unset=True)
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"--config {path}: cannot be read: {unreadable(error)}") from None
    if fields.get("two_stage") and given.get("two_stage") is not None:
        given = given | {"two_stage": fields["two_stage"] | given["two_stage"]}
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
    console = stdout()
    print_front(study)
    winner = study.winner()
    if winner is not None:
        console.print(f"winner: {winner.architecture}", style="bold", markup=False)
        console.print(f"  {study.weights_elsewhere(winner) or study.run_dir / 'winner'}", markup=False)
    if study.utilisation is not None:
        console.print(f"workers: {study.utilisation}", markup=False)
    console.print(f"report: {study.run_dir / 'report.html'}", markup=False)
