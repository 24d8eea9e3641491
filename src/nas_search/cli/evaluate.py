"""``nas-search eval``: accuracy on tasks of EleutherAI's lm-eval."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from nas_search.cli.console import Json, print_json, stderr
from nas_search.cli.evaluate_view import print_evaluation
from nas_search.cli.output import check_target, write_target
from nas_search.cli.progress import progress_bar
from nas_search.errors import InputError

if TYPE_CHECKING:
    from nas_search.results.evaluation.record import Evaluation, Settings


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("eval")(evaluate)


def evaluate(
    what: Annotated[
        str,
        typer.Argument(
            metavar="RUN|FOLDER", help="A run directory, or a folder with a network (winner/, or of nas-search train)."
        ),
    ],
    tasks: Annotated[
        list[str],
        typer.Option(metavar="A,B,...", help="Tasks and groups of lm-eval, or YAML files; repeatable, with wildcards."),
    ],
    pick: Annotated[
        str | None,
        typer.Option(help="Trial of a run: winner, knee of the front, budget=12ms or trial=17 (default: winner)."),
    ] = None,
    include: Annotated[
        list[Path] | None, typer.Option(help="Folder with YAML files of further tasks; repeatable.")
    ] = None,
    limit_samples: Annotated[
        int | None, typer.Option(help="Only so many samples of each task, to try it out.", min=1)
    ] = None,
    shots: Annotated[
        int | None, typer.Option(help="Examples before each question (default: as the task has it).", min=0, max=1000)
    ] = None,
    batch: Annotated[int, typer.Option(help="Sequences that are read together.", min=1, max=4096)] = 8,
    max_length: Annotated[
        int, typer.Option(help="Tokens that are read at once; longer contexts lose their beginning.", min=2)
    ] = 2048,
    device: Annotated[
        Literal["auto", "cpu", "cuda"], typer.Option(help="Where the network runs; auto takes a GPU if there is one.")
    ] = "auto",
    seed: Annotated[int, typer.Option(help="Seed of examples and samples.", min=0, max=2**32 - 1)] = 1234,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write the scores to this JSON file.")] = None,
    json: Json = False,
) -> None:
    """Evaluate a trained network on tasks of lm-eval; the scores are kept in its folder as evaluation.json."""
    from nas_search.results.evaluation.evaluate import check_installed
    from nas_search.results.evaluation.record import Settings

    check_installed()
    if out is not None:
        check_target(out)
    settings = Settings(
        tasks=_names(tasks),
        include=tuple(map(str, include or [])),
        limit_samples=limit_samples,
        shots=shots,
        max_length=max_length,
        seed=seed,
    )
    evaluation = _evaluate(what, pick, settings, batch, device)
    if out is not None:
        write_target(out, evaluation.model_dump_json(indent=1) + "\n")
    if json:
        print_json(evaluation.model_dump(mode="json"))
    else:
        print_evaluation(evaluation)


def _names(tasks: list[str]) -> tuple[str, ...]:
    names = [name.strip() for text in tasks for name in text.split(",") if name.strip()]
    if not names:
        raise InputError("--tasks: no name is given; lm-eval has hellaswag, arc_easy and others")
    return tuple(dict.fromkeys(names))


def _evaluate(
    what: str, pick: str | None, settings: "Settings", batch: int, device: Literal["auto", "cpu", "cuda"]
) -> "Evaluation":
    """What is kept already is read first: a damaged file shows before hours are spent."""
    from nas_search.results.evaluation.evaluate import evaluate_network
    from nas_search.results.evaluation.record import EVALUATION_FILE, keep_evaluation, read_evaluations
    from nas_search.results.evaluation.subject import find_subject

    console = stderr()
    subject = find_subject(what, pick)
    read_evaluations(subject.folder)
    with progress_bar(console, "evaluating") as progress:
        evaluation = evaluate_network(subject, settings, batch=batch, device=device, progress=progress)
    try:
        keep_evaluation(subject.folder, evaluation)
    except OSError as error:
        reason = error.strerror or error
        console.print(f"{subject.folder / EVALUATION_FILE}: not written: {reason}", markup=False)
    return evaluation
