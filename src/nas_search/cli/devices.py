"""``nas-search devices``: where networks can be measured, and of which other devices something is known."""

from typing import TYPE_CHECKING

import typer

from nas_search.cli.console import Json, print_json, stdout

if TYPE_CHECKING:
    from nas_search.profiler.device import Device


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(devices)


def devices(json: Json = False) -> None:
    """List the devices of this machine, recorded latency tables, and devices whose rates are published."""
    from nas_search.profiler.device import list_devices
    from nas_search.profiler.known_devices import KNOWN_DEVICES
    from nas_search.profiler.recorded import recorded_device, recorded_tables

    found, tables = list_devices(), recorded_tables()
    if json:
        print_json(
            {
                "devices": [{"id": one.id, "place": one.place, **one.model_dump(mode="json")} for one in found],
                "tables": [{"device": recorded_device(path), "path": str(path)} for path in tables],
                "published": [{"name": known.name, "title": known.title} for known in KNOWN_DEVICES],
            }
        )
        return
    console = stdout()
    for device in found:
        console.print(f"{device.description}  [{device.id}]", markup=False)
        console.print(f"  {_facts(device)}", markup=False, style="dim", soft_wrap=True)
    for path in tables:
        console.print(f"table of {recorded_device(path)}: {path}", markup=False, soft_wrap=True)
    if not tables:
        console.print("no recorded tables of other devices")
    console.print(f"published rates, for --estimate: {', '.join(known.name for known in KNOWN_DEVICES)}", markup=False)


def _facts(device: "Device") -> str:
    """Where it is, and everything that is known of it."""
    return ", ".join([f"place {device.place}", *(f"{name} {value}" for name, value in device.fingerprint.items())])
