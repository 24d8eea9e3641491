"""``nas-search show``: one architecture, counted."""

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from nas_search.cli.console import Json, print_json, stdout
from nas_search.cli.options import ARCHITECTURE

if TYPE_CHECKING:
    from nas_search.space.architecture import Architecture

CONTEXTS = (1024, 8192, 32768)


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(show)


def show(architecture: Annotated[str, typer.Argument(metavar="ARCH", help=ARCHITECTURE)], json: Json = False) -> None:
    """Count parameters, FLOPs, bytes and state of an architecture and draw its operators."""
    from nas_search.space.zoo import resolve_architecture

    resolved = resolve_architecture(architecture)
    if json:
        print_json(counts(resolved))
    else:
        _print_counts(resolved)


def counts(architecture: "Architecture") -> dict[str, Any]:
    """Everything that follows from the specification alone."""
    return {
        "architecture": architecture.notation,
        "fingerprint": architecture.fingerprint,
        "parameters": architecture.parameters,
        "width": architecture.width,
        "depth": architecture.depth,
        "vocabulary": architecture.vocabulary,
        "meta_tokens": architecture.meta_tokens,
        "tied_head": architecture.tied_head,
        "operators": dict(Counter(operator.code for operator in architecture.operators)),
        "flops_per_token": {str(context): architecture.flops(context) for context in CONTEXTS},
        "weight_bytes": {dtype: architecture.weight_bytes(dtype) for dtype in ("float32", "bfloat16")},
        "state_bytes": {
            dtype: {str(context): architecture.state_bytes(context, dtype) for context in CONTEXTS}
            for dtype in ("float32", "bfloat16")
        },
    }


def _print_counts(architecture: "Architecture") -> None:
    from nas_search.results.strip import terminal_legend, terminal_strip

    console = stdout()
    console.print(Text(architecture.notation, style="bold"))
    console.print(terminal_strip(architecture), terminal_legend(architecture), sep="\n")
    console.print(
        f"{architecture.parameters:,} parameters, {architecture.depth} operators, "
        f"{architecture.weight_bytes('bfloat16') / 1e6:,.1f} MB of weights in bfloat16"
    )
    table = Table("context (tokens)", "FLOPs per token", "state, bfloat16", box=None, pad_edge=False)
    for context in CONTEXTS:
        state = architecture.state_bytes(context, "bfloat16")
        table.add_row(f"{context:,}", f"{architecture.flops(context):,}", f"{state / 1e6:,.2f} MB")
    console.print(table)
