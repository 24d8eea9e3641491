"""``nas-search export``: a network in formats that other programs load."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from nas_search.cli.console import Json, print_json, stderr, stdout
from nas_search.cli.progress import progress_bar
from nas_search.errors import InputError

if TYPE_CHECKING:
    from nas_search.results.export.export import Exported, Fit
    from nas_search.results.export.source import Exportable

_WHAT = (
    "A run directory, a folder with a network (winner/, or of nas-search train), or an architecture: notation, zoo "
    "name or file."
)


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(export)


def export(
    what: Annotated[str, typer.Argument(metavar="RUN|ARCH", help=_WHAT)],
    out: Annotated[Path | None, typer.Option(help="Folder to write; an earlier export there is replaced.")] = None,
    formats: Annotated[
        list[str] | None,
        typer.Option("--format", help="Repeatable; several have a folder each in --out. See --list."),
    ] = None,
    pick: Annotated[
        str | None,
        typer.Option(help="Trial of a run: winner, knee of the front, budget=12ms or trial=17 (default: winner)."),
    ] = None,
    no_weights: Annotated[bool, typer.Option("--no-weights", help="Without weights.")] = False,
    list_formats: Annotated[
        bool, typer.Option("--list", help="Show which formats fit this network, and why others do not.")
    ] = False,
    json: Json = False,
) -> None:
    """Export a network in formats that other programs load."""
    from nas_search.results.export.export import named_exporters, write_export
    from nas_search.results.export.source import find_source

    if list_formats:
        if out is not None or formats or no_weights:
            raise InputError("--list writes nothing; leave out --out, --format and --no-weights, or --list")
        _list(find_source(what, pick), json=json)
        return
    exporters = named_exporters(formats or [])
    if out is None:
        raise InputError("--out is missing: the folder to write")
    with progress_bar(stderr(), "exporting") as progress:
        exported = write_export(find_source(what, pick), out, exporters, weights=not no_weights, progress=progress)
    if json:
        print_json(_document(exported))
    else:
        _print(exported)


def _list(found: "Exportable", *, json: bool) -> None:
    from nas_search.results.export.export import fits

    rows = fits(found.architecture)
    if json:
        print_json({"architecture": found.architecture.notation, "formats": [_row(fit) for fit in rows]})
        return
    console = stdout()
    console.print(found.architecture.notation, style="bold", markup=False)
    table = Table("format", "fits", "", box=None, pad_edge=False)
    for fit in rows:
        about, fitting = (fit.exporter.about, "yes") if fit.misfit is None else (fit.misfit, "no")
        table.add_row(fit.exporter.name, fitting, Text(about), style=None if fit.misfit is None else "dim")
    console.print(table)


def _row(fit: "Fit") -> dict[str, Any]:
    return {
        "name": fit.exporter.name,
        "about": fit.exporter.about,
        "fits": fit.misfit is None,
        "misfit": fit.misfit,
    }


def _document(exported: "Exported") -> dict[str, Any]:
    from nas_search.results.export.export import facts

    files = {name: list(names) for name, names in exported.files.items()}
    return {**facts(exported.source), "out": str(exported.folder), "files": files}


def _print(exported: "Exported") -> None:
    source, console = exported.source, stdout()
    console.print(source.architecture.notation, style="bold", markup=False)
    console.print(f"{source.origin}, weights: {source.weights}", markup=False)
    for note in source.notes:
        stderr().print(note, markup=False)
    for name, files in exported.files.items():
        console.print(f"{name}: {', '.join(files)}", markup=False)
    console.print(str(exported.folder), markup=False)
