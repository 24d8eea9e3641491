"""Options that several commands share, and what follows from them."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from nas_search.cli.console import stderr

if TYPE_CHECKING:
    from nas_search.profiler.device import Device
    from nas_search.profiler.workload import Workload
    from nas_search.space.operators.base import OperatorSpec

ARCHITECTURE = "Notation, such as 'w128 (d f m2 f)x2', a zoo name, or a YAML/JSON file."
WORKLOAD = (
    "decode:CONTEXT, prefill:PROMPT, generate:NEW, throughput:CONTEXT, memory:CONTEXT or energy:CONTEXT, with "
    "',batch=N', ',prompt=N', ',dtype=...' and ',state=...'"
)

DeviceName = Annotated[str, typer.Option(help="Where to measure; 'nas-search devices' lists what there is.")]
Seed = Annotated[int, typer.Option(help="Seed of networks, weights and tokens.", min=0, max=2**32 - 1)]


def parse_workloads(texts: Iterable[str], device: "Device") -> "list[Workload]":
    """Each once, in the device's number format unless they name one."""
    from nas_search.profiler.workload import Workload

    return list(dict.fromkeys(Workload.parse(text, device.default_dtype) for text in texts))


def check_kernels_of(
    operators: "Iterable[OperatorSpec]", workloads: "Sequence[Workload]", device: "Device", *, strict: bool
) -> None:
    """Tell of slower kernels that would run on a GPU; with ``strict`` the first is a RunError."""
    from nas_search.space.kernels.report import check_kernels

    specs = tuple(dict.fromkeys(operators))
    for dtype in dict.fromkeys(workload.dtype for workload in workloads):
        check_kernels(
            specs, device.kind, dtype=dtype, strict=strict, note=lambda line: stderr().print(line, markup=False)
        )
