"""``nas-search train``: a network at full length, as an exported recipe says."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nas_search.cli.console import Json, print_json, stderr, stdout
from nas_search.cli.progress import progress_bar

if TYPE_CHECKING:
    from nas_search.proxies.training_plan import TrainingPlan
    from nas_search.results.training_result import TrainingResult


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(train)


def train(
    recipe: Annotated[
        Path, typer.Argument(metavar="RECIPE", help="What 'nas-search export --format recipe' wrote: file or folder.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the trained network; what was begun there goes on.")],
    tokens: Annotated[int | None, typer.Option(help="Train on so many tokens instead.", min=1)] = None,
    json: Json = False,
) -> None:
    """Train a network at full length; the same command goes on where it was interrupted."""
    from nas_search.results.train import read_plan, train_plan

    plan = read_plan(recipe)
    if tokens is not None:
        plan = plan.checked(plan.model_dump() | {"tokens": tokens}, "command line")
    console = stderr()
    _announce(plan)
    try:
        with progress_bar(console, "training") as progress:
            result = train_plan(plan, out, progress=progress, note=lambda text: console.print(text, markup=False))
    except KeyboardInterrupt:
        console.print("Interrupted. The same command goes on from the last checkpoint.", markup=False)
        raise
    if json:
        print_json({**result.model_dump(mode="json"), "out": str(out)})
    else:
        _print(result, out)


def _announce(plan: "TrainingPlan") -> None:
    stderr().print(
        f"{plan.architecture.notation}: {plan.architecture.parameters:,} parameters, {plan.tokens:,} tokens of "
        f"'{plan.data}' ({plan.tokenizer})",
        markup=False,
    )


def _print(result: "TrainingResult", out: Path) -> None:
    console = stdout()
    for name, value in result.rows:
        console.print(f"{name}: {value}", markup=False)
    console.print(str(out), markup=False)
