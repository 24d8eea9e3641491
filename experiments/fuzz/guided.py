"""Lets atheris look for inputs of a target that reach new code, from examples of ours; started by ``fuzz.py --guided``.

It ends at the first input that is neither read nor refused, which it leaves in the current folder as ``crash-...``.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["nas_search"]):
    from target import input_rng
    from targets import TARGETS
    from watch import outcome

EXAMPLES = 200


def main(name: str, seconds: int) -> None:
    """Fuzz one target for so long."""
    folder, corpus = (Path(tempfile.mkdtemp(prefix=f"{name}-{what}-")) for what in ("files", "corpus"))
    with atheris.instrument_imports(include=["nas_search"]):
        case = TARGETS[name].make(folder)
    for index in range(EXAMPLES):
        (corpus / str(index)).write_bytes(case.draw(input_rng(0, name, index)))

    def read(data: bytes) -> None:
        found = outcome(case, data)
        if isinstance(found, tuple):
            raise RuntimeError(f"{name}: {found[0]} [{found[1]}]")

    atheris.Setup([sys.argv[0], f"-max_total_time={seconds}", "-print_final_stats=1", str(corpus)], read)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
