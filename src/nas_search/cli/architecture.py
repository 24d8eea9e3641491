"""``nas-search show`` and ``nas-search profile``: one architecture, counted or measured."""

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from nas_search.cli.console import Json, print_json, stderr, stdout
from nas_search.cli.doctor import StrictKernels
from nas_search.cli.progress import progress_bar

if TYPE_CHECKING:
    from nas_search.profiler.measurement import Measurement
    from nas_search.profiler.workload import Workload
    from nas_search.space.architecture import Architecture

CONTEXTS = (1024, 8192, 32768)

ArchitectureText = Annotated[
    str, typer.Argument(metavar="ARCH", help="Notation, such as 'w128 (d f m2 f)x2', a zoo name, or a YAML/JSON file.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command()(show)
    app.command()(profile)


def show(architecture: ArchitectureText, json: Json = False) -> None:
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


def profile(
    architecture: ArchitectureText,
    device: Annotated[str, typer.Option(help="Where to measure; 'nas-search devices' lists what there is.")] = "cpu",
    workload: Annotated[
        str, typer.Option(help="decode:CONTEXT, prefill:PROMPT or generate:NEW, with ',batch=N' and ',prompt=N'.")
    ] = "decode:256",
    seed: Annotated[int, typer.Option(help="Seed of weights and tokens.", min=0, max=2**32 - 1)] = 0,
    strict_kernels: StrictKernels = False,
    json: Json = False,
) -> None:
    """Measure an architecture end to end on a device."""
    from nas_search.profiler.device import resolve_device
    from nas_search.profiler.workload import Workload
    from nas_search.space.zoo import resolve_architecture

    resolved, question = resolve_architecture(architecture), Workload.parse(workload)
    place = resolve_device(device)
    from nas_search.profiler.measure import measure_architectures
    from nas_search.space.kernels.report import check_kernels

    def note(line: str) -> None:
        stderr().print(line, markup=False)

    check_kernels(resolved.operators, place.name, dtype=question.dtype, strict=strict_kernels, note=note)
    with progress_bar(stderr(), "measuring") as report:
        measurement = measure_architectures([resolved], question, device=place, seed=seed, progress=report)[0]
    if json:
        document = measurement.model_dump(mode="json")
        print_json({"architecture": resolved.notation, "parameters": resolved.parameters, **document})
    else:
        _print_measurement(resolved, question, measurement)


def _print_measurement(architecture: "Architecture", workload: "Workload", measurement: "Measurement") -> None:
    console = stdout()
    console.print(Text(architecture.notation, style="bold"))
    console.print(
        f"{measurement.latency_ms:.4g} {workload.unit} ({workload}), {measurement.clock} clock, median of "
        f"{measurement.n}, 95 % interval {measurement.low_ms:.4g} to {measurement.high_ms:.4g}"
    )
    console.print(f"wall {measurement.wall_ms:.4g} ms, CPU {measurement.cpu_ms:.4g} ms")
    if measurement.busy:
        console.print("The machine is busy: wall time is more than 1.2 times CPU time.", style="yellow")
    console.print(f"kernels: {', '.join(measurement.kernels)}")
