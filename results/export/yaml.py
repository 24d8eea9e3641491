"""``yaml``: the architecture, as our own commands read it."""

from __future__ import annotations

from pathlib import Path

from nas_search.files import write_text_atomic
from nas_search.results.export.base import ExportSource
from nas_search.results.winner_files import ARCHITECTURE_FILE
from nas_search.space.architecture import Architecture


class YamlExporter:
    """Width, operators, vocabulary, meta tokens and head in one file."""

    name = "yaml"
    about = "the architecture, for nas-search show, profile, compare and export"

    def misfit(self, architecture: Architecture) -> None:
        """None: every architecture has its YAML."""

    def write(self, source: ExportSource, folder: Path) -> None:
        """Write ``architecture.yaml``."""
        write_text_atomic(folder / ARCHITECTURE_FILE, source.architecture.to_yaml())
