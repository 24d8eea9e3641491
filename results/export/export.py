"""Networks written in formats of others, each folder whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from nas_search.errors import InputError, RunError, is_disk_full
from nas_search.files import replacing_folder, write_text_atomic
from nas_search.results.export.base import Exporter, ExportSource
from nas_search.results.export.destination import MARK_FILE, check_destination, files_in
from nas_search.results.export.registry import EXPORTERS, SPECIFICATIONS
from nas_search.results.export.source import Exportable, find_source
from nas_search.space.architecture import Architecture
from nas_search.space.package_data import suggestion

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Exported:
    """What was written: for each format its folder and the files in it."""

    folder: Path
    source: ExportSource
    files: dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Fit:
    """Whether an architecture can be had in a format; ``misfit`` says why not."""

    exporter: Exporter
    misfit: str | None


def fits(architecture: Architecture, exporters: Sequence[Exporter] = EXPORTERS) -> list[Fit]:
    """All formats, and which of them can express an architecture."""
    return [Fit(exporter, exporter.misfit(architecture)) for exporter in exporters]


def export(
    what: str | Path | Architecture,
    out: str | Path,
    formats: str | Sequence[str],
    *,
    pick: str | None = None,
    weights: bool = True,
) -> Exported:
    """Write a trial of a run, a network in a folder or an architecture into the folder ``out``.

    With several ``formats`` each has a folder of its own in ``out``. ``pick`` is which trial of a run: ``winner`` (as
    without it), ``knee``, ``budget=12ms`` or ``trial=17``. An architecture has fresh weights, and without ``weights``
    there are none. An earlier export in the same formats is replaced.

    Raises InputError for what is not there, for a format that cannot express the architecture, and for a folder with
    other things in it; RunError when the disk is full. Then ``out`` is as it was before.
    """
    exporters = named_exporters([formats] if isinstance(formats, str) else formats)
    return write_export(find_source(what, pick), Path(out), exporters, weights=weights)


def named_exporters(names: Sequence[str]) -> tuple[Exporter, ...]:
    """The formats called so, each once. Raises InputError with those that there are."""
    by_name = {exporter.name: exporter for exporter in EXPORTERS}
    for name in names:
        if name not in by_name:
            raise InputError(f"no format '{name}'; {suggestion(name, tuple(by_name))}")
    if not names:
        raise InputError(f"no format is given; there are {', '.join(by_name)}")
    return tuple(by_name[name] for name in dict.fromkeys(names))


def write_export(
    found: Exportable,
    out: Path,
    exporters: Sequence[Exporter],
    *,
    weights: bool = True,
    progress: Progress = lambda done, total: None,
) -> Exported:
    """Write ``found`` into ``out``; ``progress`` is called with formats done and all formats."""
    _check_fits(found.architecture, exporters)
    names = tuple(exporter.name for exporter in exporters)
    try:
        target = check_destination(out, names)
        needs_network = any(exporter not in SPECIFICATIONS for exporter in exporters)
        source = found.network(weights=weights) if needs_network else found.specification()
        progress(0, len(exporters))
        files = _write_all(source, target, exporters, progress)
    except OSError as error:
        if is_disk_full(error):
            raise RunError(f"{out}: disk full; nothing was written") from None
        raise InputError(f"{str(out)[:200]}: cannot be written: {error.strerror or error}") from None
    return Exported(target, source, files)


def _check_fits(architecture: Architecture, exporters: Sequence[Exporter]) -> None:
    for fit in fits(architecture, exporters):
        if fit.misfit is not None:
            raise InputError(f"format '{fit.exporter.name}' cannot express {architecture.notation}: {fit.misfit}")


def _write_all(
    source: ExportSource, target: Path, exporters: Sequence[Exporter], progress: Progress
) -> dict[str, tuple[str, ...]]:
    """One folder, or one for each format in it, put in place when all are written."""
    files: dict[str, tuple[str, ...]] = {}
    with replacing_folder(target) as folder:
        for done, exporter in enumerate(exporters, start=1):
            place = folder if len(exporters) == 1 else folder / exporter.name
            place.mkdir(exist_ok=True)
            exporter.write(source, place)
            files[exporter.name] = tuple(files_in(place))
            progress(done, len(exporters))
        mark = facts(source) | {"formats": list(files), "files": [*files_in(folder), MARK_FILE]}
        write_text_atomic(folder / MARK_FILE, json.dumps(mark, indent=1) + "\n")
    return files


def facts(source: ExportSource) -> dict[str, Any]:
    """What an export is of, for machines."""
    return {
        "architecture": source.architecture.notation,
        "parameters": source.architecture.parameters,
        "origin": source.origin,
        "weights": source.weights,
        "tokenizer": source.tokenizer_name,
        "figures": dict(source.figures),
        "notes": list(source.notes),
        "nas_search": version("nas-search"),
    }
