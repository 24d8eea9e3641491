"""The fault matrix: what becomes of a search when something breaks, fault by fault and moment by moment.

    python experiments/faults/matrix.py [--only PATTERN] [--jobs N] [--json FILE] [--list]

Every cell starts the real command, makes one thing break at one moment, starts the same command again, and compares
with an undisturbed search with the same latency table. Cells called "real" train and measure real networks, others use
formulas for that; driver and workers are real processes in all of them. The last line is one JSON document.
Exit code 1 if a cell failed.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from bed import Bed
from cell import Cell
from cells import CELLS
from runner import CHECKS, Verdict, play

from nas_search.files import write_text_atomic
from nas_search.profiler.device import resolve_device
from nas_search.profiler.versions import package_version

MARKS = {"pass": "pass", "fail": "FAIL", "skipped": "skip"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Play the cells that were asked for; the exit code."""
    options = _parse(arguments)
    cells = [cell for cell in CELLS if re.search(options.only, cell.name)]
    if options.list:
        print("\n".join(cell.name for cell in cells))
        return 0
    if not cells:
        print(f"matrix.py: no cell is called like {options.only!r}; see --list", file=sys.stderr)
        return 2
    started = time.monotonic()
    verdicts: list[Verdict] = []
    document: dict[str, Any] = {}
    for verdict in play_all(cells, options.jobs):
        verdicts.append(verdict)
        _print(verdict, len(verdicts), len(cells))
        document = _document(verdicts, options, time.monotonic() - started)
        if options.json is not None:
            write_text_atomic(options.json, json.dumps(document, indent=1) + "\n")
    print(json.dumps({key: value for key, value in document.items() if key != "cells"}))
    return 1 if any(verdict.problems for verdict in verdicts) else 0


def play_all(cells: Sequence[Cell], jobs: int, keep: Path | None = None) -> Iterator[Verdict]:
    """Verdicts as they come, with so many cells at a time."""
    with tempfile.TemporaryDirectory(prefix="faults-") as name, ThreadPoolExecutor(jobs) as pool:
        folder = Path(name)
        bed = Bed(folder)
        futures = [pool.submit(play, cell, bed, folder / f"cell{number}") for number, cell in enumerate(cells)]
        for future in as_completed(futures):
            yield future.result()


def _print(verdict: Verdict, done: int, total: int) -> None:
    detail = verdict.skipped or "".join(f"\n      {check}: {text}" for check, text in verdict.problems.items())
    print(
        f"{done:3d}/{total}  {MARKS[verdict.state]}  {verdict.seconds:5.1f} s  {verdict.name}{detail and '  '}{detail}",
        flush=True,
    )


def _document(verdicts: Sequence[Verdict], options: argparse.Namespace, seconds: float) -> dict[str, Any]:
    states = [verdict.state for verdict in verdicts]
    device = resolve_device("cpu")
    return {
        "cells": [verdict.document() for verdict in sorted(verdicts, key=lambda verdict: verdict.name)],
        "only": options.only,
        "count": len(verdicts),
        "passed": states.count("pass"),
        "failed": states.count("fail"),
        "skipped": states.count("skipped"),
        "failed_checks": {check: sum(check in verdict.problems for verdict in verdicts) for check in CHECKS},
        "seconds": round(seconds, 1),
        "jobs": options.jobs,
        "device": device.description,
        "version": package_version("nas-search"),
    }


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--only", default="", metavar="PATTERN", help="cells whose name this regular expression finds")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="cells at a time (default: 2)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the verdict on each cell")
    parser.add_argument("--list", action="store_true", help="print the names of the cells and play none")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
