"""``nas-search table``: what operators cost, where."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nas_search.cli.console import Json, print_json, stderr
from nas_search.cli.doctor import StrictKernels
from nas_search.cli.group import add_group
from nas_search.cli.options import WORKLOAD, DeviceName, Seed, check_kernels_of, parse_workloads
from nas_search.cli.output import check_target
from nas_search.cli.progress import progress_bar
from nas_search.cli.table_view import print_check, print_table
from nas_search.errors import RunError

if TYPE_CHECKING:
    from nas_search.profiler.plan import TablePlan
    from nas_search.profiler.table import LatencyTable

CHECK_NETWORKS = 20

_TablePath = Annotated[Path, typer.Argument(metavar="TABLE", help="A table file (.parquet).")]
_Out = Annotated[Path, typer.Option(help="Where to write the table.")]
_Networks = Annotated[int, typer.Option(help="Random networks, not seen in calibration, to check on.", min=4)]


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    about = "Record, show, check and merge latency tables."
    add_group(app, "table", about, [record, show, check, merge], "say what to do: record, show, check or merge")


def record(
    out: _Out,
    space: Annotated[str, typer.Option(help="Search space: a name or a YAML file.")] = "cpu",
    device: DeviceName = "cpu",
    workload: Annotated[list[str] | None, typer.Option(help=f"{WORKLOAD}; repeatable (default: decode:256).")] = None,
    networks: _Networks = CHECK_NETWORKS,
    seed: Seed = 0,
    strict_kernels: StrictKernels = False,
    json: Json = False,
) -> None:
    """Time every operator of a space at every width, calibrate, and check on whole networks.

    Interrupted, the same command goes on where it was.
    """
    from nas_search.profiler.device import resolve_device
    from nas_search.space.search_space import load_space

    members, place = load_space(space), resolve_device(device)
    questions = parse_workloads(workload or ["decode:256"], place)
    check_target(out)
    from nas_search.profiler.isolated_sitting import measure_sitting_isolated
    from nas_search.profiler.plan import TablePlan
    from nas_search.profiler.record import record_table

    check_kernels_of(members.operator_specs(), questions, place, strict=strict_kernels)
    plan = TablePlan.of_space(members, questions, seed=seed, held_out=networks)
    try:
        with progress_bar(stderr(), "measuring") as report:
            table = record_table(
                plan,
                place,
                out=out,
                measure_one=measure_sitting_isolated,
                note=lambda line: stderr().print(line, markup=False),
                progress=report,
            )
        table = table.with_roofline_mape(_roofline_errors(table, plan))
        table.save(out)
    except KeyboardInterrupt:
        stderr().print("Interrupted. The same command goes on where it was.")
        raise
    except OSError as error:
        raise RunError(f"--out {out}: cannot be written: {error.strerror or error}") from None
    print_table(table, json=json)


def show(table: _TablePath, json: Json = False) -> None:
    """Print a table: device, calibration, check and the cost of every operator."""
    from nas_search.profiler.table import LatencyTable

    print_table(LatencyTable.load(table), json=json)


def check(
    table: _TablePath,
    space: Annotated[str | None, typer.Option(help="Search space of the networks (default: the table's).")] = None,
    device: Annotated[str | None, typer.Option(help="Where to measure (default: the table's device).")] = None,
    networks: _Networks = CHECK_NETWORKS,
    seed: Seed = 1,
    json: Json = False,
) -> None:
    """Measure random networks of a space, each twice, and compare them with the table."""
    from nas_search.profiler.backend import backend_of
    from nas_search.profiler.checking import check_table
    from nas_search.profiler.device import resolve_device
    from nas_search.profiler.isolated import measure_isolated
    from nas_search.profiler.table import LatencyTable
    from nas_search.profiler.workload import Workload
    from nas_search.space.search_space import load_space

    loaded = LatencyTable.load(table)
    members, place = load_space(space or loaded.info.space), resolve_device(device or loaded.device.name)
    loaded.require_device(place)
    questions = [one for one in map(Workload.parse, loaded.info.workloads) if one.kind != "memory"]
    sample = members.sample_architectures(networks, seed=seed)
    document = {}
    for question in questions:
        with progress_bar(stderr(), f"measuring {question}") as report:
            result = check_table(
                loaded,
                question,
                sample,
                seed=seed,
                backend=backend_of(place),
                measure_networks=measure_isolated,
                progress=report,
            )
        document[str(question)] = result.model_dump(mode="json")
        if not json:
            print_check(str(question), result, place)
    if json:
        print_json(document)


def merge(
    first: _TablePath,
    second: Annotated[Path, typer.Argument(metavar="TABLE", help="Another one; it counts where both have something.")],
    out: _Out,
    json: Json = False,
) -> None:
    """Write two tables of one device as one."""
    from nas_search.profiler.table import LatencyTable

    check_target(out)
    table = LatencyTable.merge(LatencyTable.load(first), LatencyTable.load(second))
    try:
        table.save(out)
    except OSError as error:
        raise RunError(f"--out {out}: cannot be written: {error.strerror or error}") from None
    print_table(table, json=json)


def _roofline_errors(table: "LatencyTable", plan: "TablePlan") -> dict[str, float]:
    """How far published rates alone are from the table, by workload; empty for a device without any."""
    from nas_search.profiler.estimate import roofline_error
    from nas_search.profiler.known_devices import find_known

    known = find_known(table.device.name)
    if known is None or not plan.held_out:
        return {}
    return {
        str(workload): roofline_error(table, plan.held_out, workload, known.rates(workload.dtype))
        for workload in plan.workloads
        if workload.is_latency and workload.dtype in known.flops_per_s
    }
