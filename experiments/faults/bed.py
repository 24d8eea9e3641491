"""What all cells share: a small space, a text, a latency table, and what undisturbed searches find."""

from __future__ import annotations

import threading
from collections import defaultdict
from pathlib import Path
from tempfile import mkdtemp

import yaml
from cell import Cell, Fault, Kind
from outcome import Outcome
from process import start_sitting

from nas_search.profiler.device import resolve_device
from nas_search.profiler.estimated_table import estimate_table
from nas_search.profiler.known_devices import KNOWN_DEVICES
from nas_search.profiler.workload import Workload
from nas_search.space.search_space import load_space

WORKLOAD = "decode:16"
SPACE = """
name: tiny
stages: [early, late]
mixers: [a, m2, d]
ffn: f
ratios: ["0:1", "1:1"]
ffns: [0, 1]
max_repeats: 2
widths: [32, 64]
max_operators: 6
"""
TEXT = "The quick brown fox jumps over the lazy dog. Pack my box with five dozen liquor jugs.\n"
BYTES = 256


class Bed:
    """A folder with everything that small searches need. References are made once each, when they are asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.text, self.space, self.table = folder / "text.txt", folder / "tiny.yaml", folder / "table.parquet"
        self.text.write_text("".join(f"{number} {TEXT}" for number in range(600)))
        self.space.write_text(SPACE)
        space = load_space(str(self.space)).with_vocabulary(BYTES)
        estimate_table(space, [Workload.parse(WORKLOAD)], resolve_device("cpu"), KNOWN_DEVICES[0]).save(self.table)
        self._references: dict[tuple[object, ...], Outcome] = {}
        self._locks: defaultdict[tuple[object, ...], threading.Lock] = defaultdict(threading.Lock)

    def environment(self) -> dict[str, str]:
        """Caches here, so that nothing of the user's is touched."""
        return {"XDG_CACHE_HOME": str(self.folder / "cache"), "OMP_NUM_THREADS": "1"}

    def options(self, kind: Kind, table: Path | None) -> list[str]:
        """Options of the search."""
        config = self.folder / f"{kind.name}.yaml"
        if not config.exists():
            common = {"space": str(self.space), "data": str(self.text), "workload": WORKLOAD, "deterministic": True}
            config.write_text(yaml.safe_dump({**common, **kind.config}))
        return ["--config", str(config), *(["--table", str(table)] if table is not None else [])]

    def reference(self, cell: Cell, table: Path) -> Outcome:
        """What the undisturbed search with the same table finds."""
        key = (cell.kind.name, cell.reference, table.read_bytes())
        with self._locks[key]:
            if key not in self._references:
                self._references[key] = self._search(cell.kind, cell.reference, table)
            return self._references[key]

    def _search(self, kind: Kind, faults: tuple[Fault, ...], table: Path) -> Outcome:
        folder = Path(mkdtemp(prefix=f"reference-{kind.name}-", dir=self.folder))
        state, run = folder / "state", folder / "run"
        options = self.options(kind, table)
        ended = start_sitting(state, run, options, self.environment(), kind.functions, faults).wait()
        assert ended.code == 0, f"the undisturbed search ended with {ended.code}: {ended.errors}"
        return Outcome.of(run)
