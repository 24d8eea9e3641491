"""Links in a run directory: one that somebody else made must not let us read, write or remove things elsewhere."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from nas_search.errors import InputError


def check_links(run: Path, folders: Sequence[str]) -> None:
    """Raise InputError for a link in ``run``, or in one of its ``folders``, that leads out of it.

    The run directory may be a link itself.
    """
    try:
        inside = run.resolve()
    except (OSError, RuntimeError):  # links in a circle: whoever opens it says so
        return
    for link in (found for folder in (run, *(run / name for name in folders)) for found in _links(folder)):
        if not _leads_into(link, inside):
            raise InputError(f"{link}: a link out of the run directory; put in its place what it leads to")


def _links(folder: Path) -> Iterator[Path]:
    try:
        with os.scandir(folder) as entries:
            yield from (Path(entry.path) for entry in entries if entry.is_symlink())
    except OSError:  # no folder, or none that may be looked into: whoever opens it says so
        return


def _leads_into(link: Path, inside: Path) -> bool:
    try:
        return link.resolve().is_relative_to(inside)
    except (OSError, RuntimeError):  # links in a circle
        return False
