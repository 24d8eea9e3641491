"""``nas-search bench``: samplers held against each other."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nas_search.cli.console import Json, print_json, stderr
from nas_search.cli.group import add_group
from nas_search.cli.progress import progress_bar
from nas_search.errors import InputError, RunError
from nas_search.search.bench.names import contestant_names
from nas_search.search.samplers.names import sampler_names

if TYPE_CHECKING:
    from nas_search.search.bench.result import BenchResult

RESULT_FILE, PICTURE_FILE = "result.json", "hypervolume.html"


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    add_group(app, "bench", "Benchmarks of this program.", [search], "say what to measure: search")


def search(
    table: Annotated[Path, typer.Option(metavar="FILE", help="Table of architectures (.parquet or .csv).")],
    genes: Annotated[str, typer.Option(metavar="A,B,C", help="Columns that tell architectures apart: choices.")],
    loss: Annotated[str, typer.Option(metavar="COLUMN", help="Column of the loss; less is better.")],
    latency: Annotated[str, typer.Option(metavar="COLUMN", help="Column of the latency, known before training.")],
    cost: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column of the seconds of training (default: all equal).")
    ] = None,
    features: Annotated[
        str | None,
        typer.Option(metavar="A,B,C", help="Columns of numbers by which our models tell rows apart (default: genes)."),
    ] = None,
    samplers: Annotated[
        str, typer.Option(metavar="A,B,C", help=f"Who takes part: {', '.join(contestant_names())}.")
    ] = ",".join(sampler_names()),
    trials: Annotated[int, typer.Option(help="Evaluations of each search.", min=1)] = 200,
    seeds: Annotated[int, typer.Option(help="Searches with each sampler: seeds 0, 1, 2, ...", min=2)] = 20,
    workers: Annotated[int, typer.Option(help="Simulated workers of each search.", min=1)] = 1,
    jobs: Annotated[int, typer.Option(help="Processes that replay, each on one thread.", min=1)] = 1,
    out: Annotated[
        Path | None,
        typer.Option(help="Keep every replay here, with result.json and a picture; the same command goes on."),
    ] = None,
    json: Json = False,
) -> None:
    """Replay whole searches from a table of architectures, with several samplers and seeds, and compare them.

    The table has one row for each architecture: all combinations of some genes, or a pool that was measured; what a
    sampler proposes is repaired to the nearest row. Every sampler runs through the engine of real searches, which
    mutates what is proposed a second time until it is new; optuna-tpe, optuna-nsga2, optuna-gp and pymoo-nsga2 are the
    packages by themselves, with one worker.

    The normalised hypervolume is that of latency and loss, as they are and not in logarithms, divided by that of the
    table's true front. The reference point is the worst latency and the worst loss of the table, each moved on by a
    tenth of its range over the table. Possible is what the best choice of so many rows has. Budgets are evaluations:
    trials that were trained. Intervals are 95 % percentile bootstraps of the mean over seeds, those of differences
    paired by seed.
    """
    from nas_search.search.bench.run import run_benchmark
    from nas_search.search.bench.setting import BenchSetting

    setting = BenchSetting(
        genes=_names("genes", genes),
        loss=loss,
        latency=latency,
        cost=cost,
        features=() if features is None else _names("features", features),
        samplers=_names("samplers", samplers),
        trials=trials,
        seeds=seeds,
        workers=workers,
    )
    try:
        with progress_bar(stderr(), "replaying") as report:
            result = run_benchmark(table, setting, out=out, processes=jobs, progress=report)
    except KeyboardInterrupt:
        if out is not None:
            stderr().print("Interrupted. The same command goes on where it was.")
        raise
    from nas_search.cli.bench_view import print_benchmark

    print_benchmark(result)
    document = {**result.model_dump(mode="json"), "command": shlex.join(["nas-search", *sys.argv[1:]])}
    if out is not None:
        _write(out, result, document)
    if json:
        print_json(document)


def _names(option: str, text: str) -> tuple[str, ...]:
    """Names between commas."""
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise InputError(f"--{option} {text!r}: names with commas between them, such as a,b,c")
    return names


def _write(out: Path, result: "BenchResult", document: dict[str, object]) -> None:
    from json import dumps

    from nas_search.files import write_text_atomic
    from nas_search.results.benchmark import benchmark_html

    try:
        write_text_atomic(out / RESULT_FILE, dumps(document, allow_nan=False) + "\n")
        write_text_atomic(out / PICTURE_FILE, benchmark_html(result))
    except OSError as error:
        raise RunError(f"--out {out}: cannot be written: {error.strerror or error}") from None
