"""How latency tables and their checks are printed."""

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from nas_search.cli.console import print_json, stdout
from nas_search.cli.figures import clock_name

if TYPE_CHECKING:
    from nas_search.profiler.check import Interval, TableCheck
    from nas_search.profiler.device import Device
    from nas_search.profiler.table import LatencyTable


def print_table(table: "LatencyTable", *, json: bool) -> None:
    """Device, checks, failures and costs."""
    if json:
        cells = [{**cell.key._asdict(), "value": cell.value} for cell in table.cells]
        print_json({"hash": table.hash, **table.info.model_dump(mode="json"), "cells": cells})
        return
    console = stdout()
    info = table.info
    console.print(
        f"{table.device.description}, {table.source}, {clock_name(table.clock, table.device)}, hash {table.hash[:16]}",
        markup=False,
    )
    console.print(f"space {info.space}, kernels: {', '.join(info.kernels)}", markup=False)
    for text, check in info.workloads.items():
        print_check(text, check, table.device)
    for text, mape in info.roofline_mape.items():
        console.print(f"{text}: published rates alone err by {mape:.1%} against this table", markup=False)
    for network, reason in info.failures.items():
        console.print(f"not measured: {network}: {reason}", markup=False, style="yellow")
    console.print(_costs(table))


def print_check(workload: str, check: "TableCheck | None", device: "Device") -> None:
    """Errors and ranks of the table, of measuring again, and of both baselines."""
    console = stdout()
    if check is None:
        console.print(f"{workload}: not checked", markup=False)
        return
    console.print(f"{workload}: {check.n} networks held out, {clock_name(check.clock, device)}", markup=False)
    rows = (
        ("table", check.mape_calibrated, check.tau_calibrated, None),
        ("table, not calibrated", check.mape_raw, None, None),
        ("measuring again", check.mape_rerun, check.tau_rerun, None),
        ("number of operators", check.mape_depth_only, check.tau_depth_only, check.minus_depth_only),
        ("number of parameters", check.mape_parameters_only, check.tau_parameters_only, check.minus_parameters_only),
    )
    table = Table("predicted by", "MAPE", "tau in quartiles", "table's error minus this", box=None, pad_edge=False)
    for name, mape, tau, advantage in rows:
        table.add_row(name, f"{mape:.1%}", "" if tau is None else f"{tau:.2f}", _interval(advantage))
    console.print(table)
    console.print(f"median of measured / predicted: {check.level:.3f}")


def _interval(interval: "Interval | None") -> str:
    return "" if interval is None else f"{interval.low:+.1%} to {interval.high:+.1%}"


def _costs(table: "LatencyTable") -> Table:
    """By operator or term (rows) and width (columns); terms of all widths have a column of their own."""
    from nas_search.profiler.cells import ALL_WIDTHS

    widths = sorted({cell.key.width for cell in table.cells})
    headers = ("all widths" if width == ALL_WIDTHS else f"w{width}" for width in widths)
    costs = Table("ms, or mJ of energy", "phase", *headers, box=None, pad_edge=False)
    by_row: dict[tuple[str, str], dict[int, float]] = {}
    for cell in table.cells:
        key = cell.key
        phase = f"{key.phase}:{key.context},batch={key.batch},{key.precision}"
        by_row.setdefault((key.operator, phase), {})[key.width] = cell.value
    for (operator, phase), row in by_row.items():
        costs.add_row(Text(operator), phase, *(f"{row[width]:.4f}" if width in row else "" for width in widths))
    return costs
