"""``nas-search profile``: one architecture, measured."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from nas_search.cli.console import Json, print_json, stderr, stdout
from nas_search.cli.doctor import StrictKernels
from nas_search.cli.figures import busy_note, clock_name, clock_title, conditions_line, interval, number
from nas_search.cli.options import ARCHITECTURE, WORKLOAD, DeviceName, Seed, check_kernels_of, parse_workloads
from nas_search.cli.progress import progress_bar
from nas_search.errors import RunError

if TYPE_CHECKING:
    from nas_search.profiler.device import Device
    from nas_search.profiler.measurement import Measurement
    from nas_search.space.architecture import Architecture


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(profile)


def profile(
    architecture: Annotated[str, typer.Argument(metavar="ARCH", help=ARCHITECTURE)],
    device: DeviceName = "cpu",
    workload: Annotated[str, typer.Option(help=f"{WORKLOAD}.")] = "decode:256",
    seed: Seed = 0,
    strict_kernels: StrictKernels = False,
    json: Json = False,
) -> None:
    """Measure an architecture end to end on a device."""
    from nas_search.profiler.device import resolve_device
    from nas_search.space.zoo import resolve_architecture

    resolved, place = resolve_architecture(architecture), resolve_device(device)
    (question,) = parse_workloads([workload], place)
    from nas_search.profiler.isolated import measure_isolated
    from nas_search.profiler.measurement import Failure

    check_kernels_of(resolved.operators, [question], place, strict=strict_kernels)
    with progress_bar(stderr(), "measuring") as report:
        (outcome,) = measure_isolated([resolved], question, device=place, seed=seed, progress=report)
    if isinstance(outcome, Failure):
        raise RunError(f"workload '{question}': {outcome.reason}")
    if json:
        document = {"source": outcome.source, **outcome.model_dump(mode="json")}
        print_json({"architecture": resolved.notation, "parameters": resolved.parameters, **document})
    else:
        _print(resolved, outcome, place)


def _print(architecture: "Architecture", measured: "Measurement", device: "Device") -> None:
    console = stdout()
    console.print(Text(architecture.notation, style="bold"))
    console.print(
        f"{number(measured.value)} {measured.unit} ({measured.workload}), {measured.source}, "
        f"{clock_title(measured, device)}, {_spread(measured)}",
        markup=False,
    )
    if measured.unit.startswith("ms"):
        wall, own = clock_name("wall", device), clock_name("device", device)
        console.print(f"{wall} {number(measured.wall)} ms, {own} {number(measured.device)} ms")
    if measured.busy:
        console.print(busy_note(device), style="yellow")
    if measured.before is not None and measured.after is not None:
        console.print(conditions_line(measured.before, measured.after), markup=False)
    console.print(device.description, markup=False)
    console.print(f"batch {measured.batch}, {measured.precision}, kernels: {', '.join(measured.kernels)}", markup=False)


def _spread(measured: "Measurement") -> str:
    if measured.n == 1:
        return "one run"
    return f"median of {measured.n}, 95 % interval {interval(measured.low, measured.high)}"
