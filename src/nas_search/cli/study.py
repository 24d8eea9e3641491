"""``nas-search front`` and ``nas-search report``: what a run has found."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nas_search.cli.console import Json, print_json, stdout
from nas_search.cli.front_view import print_front

if TYPE_CHECKING:
    from nas_search.search.study import Study

Run = Annotated[Path, typer.Argument(metavar="RUN", help="The run directory.")]


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command()(front)
    app.command()(report)


def front(
    run: Run,
    csv: Annotated[Path | None, typer.Option(help="Also write every trial to this CSV file.")] = None,
    parquet: Annotated[Path | None, typer.Option(help="Also write every trial to this parquet file.")] = None,
    json: Json = False,
) -> None:
    """Show the Pareto front of a run, finished or not."""
    from nas_search.cli.document import study_document
    from nas_search.search.study import Study

    study = Study.open(run)
    if csv is not None or parquet is not None:
        _write(study, csv, parquet)
    if json:
        print_json(study_document(study))
    else:
        print_front(study)


def _write(study: "Study", csv: Path | None, parquet: Path | None) -> None:
    from io import BytesIO

    from nas_search.errors import InputError
    from nas_search.files import write_atomic, write_text_atomic

    for path in (csv, parquet):
        if path is not None and path.exists() and not path.is_file():
            raise InputError(f"{path}: not a file that can be replaced; give the name of a new one")
    frame = study.dataframe()
    try:
        if csv is not None:
            write_text_atomic(csv, frame.to_csv(index=False))
        if parquet is not None:
            buffer = BytesIO()
            frame.to_parquet(buffer, index=False)
            write_atomic(parquet, buffer.getvalue())
    except OSError as error:
        raise InputError(f"cannot write {csv or parquet}: {error.strerror}") from None


def report(run: Run) -> None:
    """Write report.html of a run again."""
    from nas_search.results.report import write_report
    from nas_search.search.study import Study

    stdout().print(str(write_report(Study.open(run))), markup=False)
