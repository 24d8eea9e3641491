"""``nas-search compare``: architectures side by side, measured in one run."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from nas_search.cli.console import Json, print_json, stderr, stdout
from nas_search.cli.doctor import StrictKernels
from nas_search.cli.figures import busy_note, clock_title, interval, number
from nas_search.cli.options import ARCHITECTURE, WORKLOAD, DeviceName, Seed, check_kernels_of, parse_workloads
from nas_search.cli.progress import progress_bar
from nas_search.errors import RunError

if TYPE_CHECKING:
    from nas_search.profiler.comparison import ComparedFigure, ComparedWorkload, Comparison
    from nas_search.profiler.device import Device

# What an architecture is chosen by, as large as a device of the kind is usually asked for.
WORKLOADS = {
    "cpu": ("decode:256", "throughput:256,batch=16", "memory:256"),
    "cuda": ("decode:8192", "throughput:32768", "memory:32768"),
}


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(compare)


def compare(
    architectures: Annotated[list[str], typer.Argument(metavar="ARCH", help=f"Two or more. {ARCHITECTURE}")],
    device: DeviceName = "cpu",
    workload: Annotated[
        list[str] | None,
        typer.Option(
            help=f"{WORKLOAD}; repeatable (default: decode:256, throughput:256,batch=16 and memory:256 on a CPU, "
            "decode:8192, throughput:32768 and memory:32768 elsewhere)."
        ),
    ] = None,
    seed: Seed = 0,
    strict_kernels: StrictKernels = False,
    json: Json = False,
) -> None:
    """Measure architectures in one run, against the first of them and against the rates of the device."""
    from nas_search.profiler.compare import compare as measure
    from nas_search.profiler.device import resolve_device
    from nas_search.space.zoo import resolve_architecture

    resolved, place = [resolve_architecture(text) for text in architectures], resolve_device(device)
    questions = parse_workloads(workload or WORKLOADS[place.kind], place)
    operators = (operator for architecture in resolved for operator in architecture.operators)
    check_kernels_of(operators, questions, place, strict=strict_kernels)
    with progress_bar(stderr(), "measuring") as report:
        comparison = measure(resolved, questions, place, seed=seed, progress=report)
    if json:
        print_json(comparison.model_dump(mode="json"))
    else:
        _print(comparison, architectures)
    failures, figures = comparison.failures, len(resolved) * len(questions)
    if failures:
        raise RunError(f"{len(failures)} of {figures} figures could not be measured: {failures[0].reason}")


def _print(comparison: "Comparison", names: list[str]) -> None:
    console = stdout()
    console.print(f"{comparison.device.description}, {comparison.source}\n", markup=False)
    legend = Table("", "architecture", "parameters", box=None, pad_edge=False)
    for index, (architecture, name) in enumerate(zip(comparison.architectures, names, strict=True), start=1):
        legend.add_row(f"{index}", Text(name, overflow="fold"), f"{architecture.parameters:,}")
    console.print(legend)
    for compared in comparison.workloads:
        console.print(f"\n{_title(compared)}", style="bold", markup=False)
        console.print(_table(compared, comparison.device))
        for line in _captions(compared, comparison.device):
            console.print(line, style="dim", markup=False)


def _title(compared: "ComparedWorkload") -> str:
    better = "higher" if compared.higher_is_better else "lower"
    return f"{compared.workload}, {compared.unit}, {better} is better"


def _table(compared: "ComparedWorkload", device: "Device") -> Table:
    ratio = "this / first" if compared.higher_is_better else "first / this"
    headers = ["", compared.unit, "95 % interval", "n", "clock", ratio, "95 % interval"]
    if compared.rates is not None:
        headers += ["ceiling", "reached"]
    if compared.higher_is_better:
        headers += ["batch"]
    table = Table(*headers, box=None, pad_edge=False)
    for index, figure in enumerate(compared.figures, start=1):
        table.add_row(f"{index}", *_cells(figure, device, batch=compared.higher_is_better))
    return table


def _cells(figure: "ComparedFigure", device: "Device", *, batch: bool) -> list[str | Text]:
    from nas_search.profiler.measurement import Failure

    outcome, ratio = figure.outcome, figure.ratio
    if isinstance(outcome, Failure):
        return [Text("failed", style="red")]
    return [
        number(outcome.value),
        interval(outcome.low, outcome.high),
        f"{outcome.n}",
        clock_title(outcome, device) + (", busy" if outcome.busy else ""),
        f"{ratio.value:.3f}" if ratio else "",
        f"{ratio.low:.3f} to {ratio.high:.3f}" if ratio and ratio.low != ratio.high else "",
        *(
            []
            if figure.ceiling is None or figure.reached is None
            else [number(figure.ceiling), f"{figure.reached:.0%}"]
        ),
        *([f"{outcome.batch}"] if batch else []),
    ]


def _captions(compared: "ComparedWorkload", device: "Device") -> list[str]:
    """Why rows failed, what the ceilings are, and what to know of the device."""
    from nas_search.profiler.measurement import Failure

    outcomes = [figure.outcome for figure in compared.figures]
    lines = [f"{i}: {found.reason}" for i, found in enumerate(outcomes, start=1) if isinstance(found, Failure)]
    rates = compared.rates
    if rates is not None:
        lines.append(
            f"ceiling: {rates.bandwidth_bytes_per_s / 1e9:,.4g} GB/s and {rates.flops_per_s / 1e12:,.4g} TFLOP/s in "
            f"{rates.dtype}, {rates.origin} ({rates.source}); what fits into a cache may reach more than 100 %"
        )
    if any(not isinstance(found, Failure) and found.busy for found in outcomes):
        lines.append(busy_note(device))
    return lines
