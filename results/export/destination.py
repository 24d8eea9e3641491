"""Where exports may be written: new folders, empty ones, and earlier exports of the same kind."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from nas_search.errors import InputError

MARK_FILE = "export.json"
"""In every export: what it is of, and which files belong to it."""


def check_destination(out: Path, formats: Sequence[str]) -> Path:
    """The folder to write, links resolved; its parent is there afterwards.

    Raises InputError for a folder with anything in it that an export in the same ``formats`` did not write, for the
    current one or one above it, and for a path that leads nowhere; OSError if the parent cannot be made.
    """
    try:
        target = out.expanduser().resolve()
    except RuntimeError as error:  # nobody's home, or links in a circle
        raise InputError(f"{out}: no path to a folder: {error}") from None
    if target.exists() and not target.is_dir():
        raise InputError(f"{out}: a file; give a folder for the export")
    if Path.cwd().is_relative_to(target):
        raise InputError(f"{out}: the current folder or one above it cannot be replaced; give a folder of its own")
    if target.is_dir() and any(target.iterdir()):
        _check_earlier(out, target, formats)
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def files_in(folder: Path) -> Iterator[str]:
    """All files below a folder, relative to it, sorted."""
    return iter(sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()))


def _check_earlier(out: Path, target: Path, formats: Sequence[str]) -> None:
    earlier = _read_mark(target)
    if earlier is None:
        raise InputError(f"{out}: not empty and no earlier export; give another folder")
    written, files = earlier
    if set(written) != set(formats):
        raise InputError(
            f"{out}: holds an export as {', '.join(written)}; give another folder for {', '.join(formats)}"
        )
    others = set(files_in(target)) - set(files)
    if others:
        raise InputError(f"{out}: holds {min(others)}, which is of no export; move it or give another folder")


def _read_mark(folder: Path) -> tuple[list[str], list[str]] | None:
    """Formats and files of an earlier export; None if there is none, or its mark is damaged."""
    try:
        mark = json.loads((folder / MARK_FILE).read_text(encoding="utf-8"))
        return list(map(str, mark["formats"])), list(map(str, mark["files"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
