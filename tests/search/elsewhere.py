"""Tables of devices that are not here, without anything measured, and what else a search for one needs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from nas_search.profiler.device import CUDA, Device
from nas_search.profiler.estimated_table import estimate_table
from nas_search.profiler.known_devices import find_known
from nas_search.profiler.table import LatencyTable
from nas_search.profiler.workload import Workload
from nas_search.space.search_space import SearchSpace, load_space

SPACE = """
name: remote
stages: [early, late]
mixers: [a, m2]
ffn: f
ratios: ["0:1", "1:1"]
ffns: [0, 1]
max_repeats: 2
widths: [32, 64]
max_operators: 4
vocabulary: 1000
"""


def fabricated_table(
    space: SearchSpace, workloads: Sequence[str], path: Path, name: str = "h100", gpu: str = "imaginary"
) -> Path:
    """What stands in for a table recorded on a device called ``name``: the figures are those of published rates."""
    known = find_known("h100")
    assert known is not None
    device = Device(name=name, fingerprint={"kind": CUDA, "gpu": gpu, "driver": "1.0"})
    asked = [Workload.parse(text, "bfloat16") for text in workloads]
    path.parent.mkdir(parents=True, exist_ok=True)
    table = estimate_table(space, asked, device, known)
    LatencyTable(table.info.model_copy(update={"source": "table", "kernels": ("made up",)}), table.cells).save(path)
    return path


def write_search(folder: Path, config: dict[str, Any]) -> None:
    """``config.yaml`` in ``folder``, with a space, a text and a table of the device ``h100`` for it."""
    (folder / "remote.yaml").write_text(SPACE)
    (folder / "text.txt").write_text("".join(f"{i} the quick brown fox jumps over the dog\n" for i in range(900)))
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    fabricated_table(load_space(folder / "remote.yaml"), ["decode:64"], folder / "h100.parquet")
