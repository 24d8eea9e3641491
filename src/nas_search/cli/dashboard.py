"""``nas-search dashboard``: a run in a browser, while it goes on or afterwards."""

import warnings
from typing import Annotated

import typer

from nas_search.cli.console import Json, print_json, stderr, stdout
from nas_search.cli.progress import progress_bar
from nas_search.cli.study import Run

LOOPBACK = "127.0.0.1"


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(dashboard)


def dashboard(
    run: Run,
    port: Annotated[int, typer.Option(help="Port to listen on; 0 is any free one.", min=0, max=65535)] = 8080,
    host: Annotated[
        str, typer.Option(help="Address to listen on; any but the default lets other machines read the run.")
    ] = LOOPBACK,
    json: Json = False,
) -> None:
    """Show a run in the Optuna dashboard, which follows the search and only reads. Ctrl-C ends it."""
    from nas_search.results.dashboard.app import dashboard_app, require_dashboard
    from nas_search.results.dashboard.mirror import Mirror
    from nas_search.results.dashboard.server import address, is_loopback, make_server

    require_dashboard()
    with progress_bar(stderr(), "reading the run"):
        mirror = Mirror(run)
    with make_server(dashboard_app(mirror, host), host, port) as server:
        url = f"{address(server)}/dashboard/studies/{mirror.study_id}"
        if not is_loopback(host):
            warnings.warn(f"every machine that reaches {host} can read this run", stacklevel=1)
        if json:
            print_json({"url": url, "run": str(run)})
        else:
            stdout().print(url, markup=False, soft_wrap=True)
            stderr().print(f"following {run}; Ctrl-C ends it, the run is only read", markup=False)
        server.serve_forever()
