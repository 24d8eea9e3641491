"""What was found so far, in a folder: an interrupted command goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nas_search.errors import InputError
from nas_search.files import write_text_atomic

FIGURES, TABLE = "figures.json", "table.md"

JsonObject = dict[str, Any]


class Record:
    """Figures by section and name, behind a header that all of them share; written after each of them.

    ``table`` makes the text of the table from the document. Raises InputError if ``folder`` cannot be written, or holds
    figures of another header.
    """

    def __init__(self, folder: Path | None, header: JsonObject, table: Callable[[JsonObject], str]) -> None:
        self._folder, self._table = folder, table
        self.document: JsonObject = {**header, "figures": {}}
        if folder is not None:
            _make(folder)
            self._resume(folder / FIGURES, header)

    def has(self, section: str, name: str) -> bool:
        """Whether the figures are there already."""
        return name in self.document["figures"].get(section, {})

    def add(self, section: str, name: str, figures: JsonObject) -> None:
        """Figures that were not there."""
        self.document["figures"].setdefault(section, {})[name] = figures
        if self._folder is not None:
            write_text_atomic(self._folder / FIGURES, json.dumps(self.document, indent=1) + "\n")
            write_text_atomic(self._folder / TABLE, self._table(self.document))

    def _resume(self, file: Path, header: JsonObject) -> None:
        if not file.exists():
            return
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(f"{file}: cannot be read: {error}") from None
        other = [name for name, value in header.items() if found.get(name) != value]
        if other:
            raise InputError(f"{file} is of another run ({', '.join(other)}); give another --out")
        self.document = found


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {folder}: {error.strerror}") from None
