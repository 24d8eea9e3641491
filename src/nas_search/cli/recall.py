"""``nas-search recall``: whether networks learn to recall what they have read."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table
from rich.text import Text

from nas_search.cli.console import Json, print_json, stderr, stdout
from nas_search.cli.options import ARCHITECTURE
from nas_search.cli.progress import progress_bar

if TYPE_CHECKING:
    from nas_search.proxies.recall import Recall


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(recall)


def recall(
    architectures: Annotated[list[str], typer.Argument(metavar="ARCH", help=f"One or more. {ARCHITECTURE}")],
    task: Annotated[
        Literal["associative", "needle"],
        typer.Option(help="All pairs of key and value are asked for at once, or one a long filler later."),
    ] = "associative",
    length: Annotated[
        int | None, typer.Option(help="Tokens of a sequence (default: 48, or 256 with a needle).", min=1, max=1 << 20)
    ] = None,
    pairs: Annotated[
        int | None, typer.Option(help="Pairs of a key and a value (default: 8, or 1 with a needle).", min=1)
    ] = None,
    steps: Annotated[int, typer.Option(help="Training steps.", min=1)] = 400,
    seeds: Annotated[int, typer.Option(help="Trainings of each architecture.", min=1)] = 3,
    train_device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where to train.")] = "auto",
    json: Json = False,
) -> None:
    """Train networks on a recall task from scratch and print how many questions they answer right."""
    from nas_search.proxies.recall_tasks import TASKS
    from nas_search.search.train_device import resolve_train_device
    from nas_search.space.zoo import resolve_architecture

    resolved = [resolve_architecture(text) for text in architectures]
    sizes = {name: value for name, value in (("length", length), ("pairs", pairs)) if value is not None}
    questions = TASKS[task](**sizes)
    device = resolve_train_device(train_device)
    from nas_search.proxies.recall import measure_recall

    found = []
    for place, architecture in enumerate(resolved, start=1):
        with progress_bar(stderr(), f"network {place} of {len(resolved)}") as report:
            found.append(
                measure_recall(architecture, questions, steps=steps, seeds=range(seeds), device=device, progress=report)
            )
    if json:
        print_json({"recall": [_document(one) for one in found]})
    else:
        _print(found, architectures)


def _document(found: "Recall") -> dict[str, object]:
    return found.model_dump(mode="json") | {"mean": found.mean, "interval": found.interval}


def _print(found: "list[Recall]", names: list[str]) -> None:
    console, first = stdout(), found[0]
    console.print(
        f"{first.task} recall: {first.length} tokens, {first.pairs} pair{'s' * (first.pairs > 1)}, {first.steps} steps;"
        f" a guess is right in {first.chance:.1%}",
        style="bold",
        markup=False,
    )
    table = Table("architecture", "accuracy", "95 % interval", "by seed", box=None, pad_edge=False)
    for one, name in zip(found, names, strict=True):
        interval = one.interval
        between = "" if interval is None else f"{interval[0]:.1%} to {interval[1]:.1%}"
        by_seed = ", ".join(f"{accuracy:.1%}" for accuracy in one.accuracies)
        table.add_row(Text(name, overflow="fold"), f"{one.mean:.1%}", between, by_seed)
    console.print(table)
