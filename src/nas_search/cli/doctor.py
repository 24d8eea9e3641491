"""``nas-search doctor``: which kernels operators would run here, and why not faster ones."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.table import Table
from rich.text import Text

from nas_search.cli.console import Json, print_json, stdout
from nas_search.errors import RunError

if TYPE_CHECKING:
    from nas_search.space.kernels.report import KernelUse

StrictKernels = Annotated[
    bool, typer.Option("--strict-kernels", help="Fail if an operator would fall back to a slower kernel on a GPU.")
]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(doctor)


def doctor(
    dtype: Annotated[
        Literal["float32", "bfloat16", "float16"], typer.Option(help="Number format of weights and activations.")
    ] = "bfloat16",
    strict_kernels: StrictKernels = False,
    json: Json = False,
) -> None:
    """Say which kernel every operator would run on every device of this machine, and why not a faster one."""
    from nas_search.space.kernels.report import device_kind, layer_uses, strict_refusal
    from nas_search.space.operators.registry import operator_types

    specs = [spec_type.model_validate({}) for spec_type in operator_types().values()]
    devices = torch_devices()
    by_kind = {
        kind: [use for spec in specs for use in layer_uses(spec, kind, dtype)]
        for kind in dict.fromkeys(map(device_kind, devices))
    }
    uses = {device: by_kind[device_kind(device)] for device in devices}
    versions = _versions()
    if json:
        print_json(_document(uses, devices, versions, dtype))
    else:
        _print(uses, devices, versions, {spec.code: spec.title for spec in specs})
    fallbacks = [use for device in devices for use in uses[device] if use.falls_back]
    if strict_kernels and fallbacks:
        raise RunError(strict_refusal(fallbacks))


def torch_devices() -> dict[str, str]:
    """The processor and every CUDA device: name in PyTorch, description."""
    from nas_search.profiler.device import list_devices

    return {str(device.place): device.description for device in list_devices()}


def _versions() -> dict[str, str]:
    from nas_search.profiler.versions import package_version
    from nas_search.space.kernels import causal_conv1d, fla, flash_attention, mamba_ssm

    packages = (module.PACKAGE for module in (flash_attention, mamba_ssm, causal_conv1d, fla))
    return {name: package_version(name) for name in ("nas-search", "torch", "triton", *packages, "fla-core")}


def _document(
    uses: "dict[str, list[KernelUse]]", devices: dict[str, str], versions: dict[str, str], dtype: str
) -> dict[str, Any]:
    return {
        "versions": versions,
        "dtype": dtype,
        "devices": [{"name": name, "description": description} for name, description in devices.items()],
        "kernels": [
            {"device": device, **use.model_dump(mode="json")} for device, found in uses.items() for use in found
        ],
    }


def _print(
    uses: "dict[str, list[KernelUse]]", devices: dict[str, str], versions: dict[str, str], titles: dict[str, str]
) -> None:
    console = stdout()
    console.print(", ".join(f"{name} {version}" for name, version in versions.items()), markup=False)
    for device, found in uses.items():
        console.print(f"\n{device}: {devices[device]}", markup=False)
        console.print(_table(found, titles))


def _table(uses: "Iterable[KernelUse]", titles: dict[str, str]) -> Table:
    """A row for each operation that an operator does alike in one or more phases."""
    phases: dict[tuple[str, str, str, str], list[str]] = {}
    for use in uses:
        row = (f"{titles[use.operator]} ({use.operator})", use.operation or "all", use.kernel, use.why)
        phases.setdefault(row, []).append(use.phase)
    table = Table("operator", "phases", "operation", "kernel", "why not a faster one", box=None, pad_edge=False)
    for (operator, operation, kernel, why), of_row in phases.items():
        # Reasons are texts of others: no brackets in them are markup.
        table.add_row(*map(Text, (operator, ", ".join(of_row), operation, kernel, why)))
    return table
