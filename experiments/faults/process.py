"""One sitting of a search: the real command in a process of its own, with the plan of faults in its environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from cell import Fault

INJECT = Path(__file__).parent / "inject"
COMMAND = (sys.executable, "-c", "from nas_search.cli.main import main; main()")
PATIENCE_SECONDS = 180.0


class Ended(NamedTuple):
    """How a command ended: its exit code (negative: the signal that killed it) and its standard error."""

    code: int
    errors: str

    @property
    def last_line(self) -> str:
        """Of standard error."""
        lines = [line for line in self.errors.splitlines() if line.strip()]
        return lines[-1] if lines else ""


class Running:
    """A command at work, with its output in files of ``state``."""

    def __init__(self, arguments: Sequence[str], state: Path, environment: Mapping[str, str]) -> None:
        state.mkdir()
        self.state = state
        with (state / "stdout").open("wb") as output, (state / "stderr").open("wb") as errors:
            self._process = subprocess.Popen(
                [*COMMAND, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                env={**os.environ, **environment},
                start_new_session=True,
            )

    def wait(self) -> Ended:
        """Until its end. Out of patience it is killed, and its last line says so."""
        try:
            code = self._process.wait(PATIENCE_SECONDS)
            late = ""
        except subprocess.TimeoutExpired:
            self._process.kill()
            code, late = self._process.wait(), f"\nstill running after {PATIENCE_SECONDS:.0f} s"
        return Ended(code, (self.state / "stderr").read_text(encoding="utf-8", errors="replace") + late)

    def wait_for(self, mark: str) -> bool:
        """Until a process of it has noted ``mark``; False if it has ended by then."""
        patience = time.monotonic() + PATIENCE_SECONDS
        while not (self.state / mark).exists():
            if self._process.poll() is not None or time.monotonic() > patience:
                return False
            time.sleep(0.02)
        return True

    @property
    def begun(self) -> list[str]:
        """Jobs that its workers have begun, one after the other."""
        file = self.state / "begun"
        return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


def start_sitting(
    state: Path,
    run: Path,
    options: Sequence[str],
    environment: Mapping[str, str],
    functions: Mapping[str, str],
    faults: Sequence[Fault] = (),
    clock_jumps: Sequence[float] = (),
) -> Running:
    """Start a search with faults to come."""
    plan = state.with_suffix(".json")
    document = {
        "run": str(run),
        "state": str(state),
        "functions": dict(functions),
        "faults": [fault.document() for fault in faults],
        "clock_jumps": list(clock_jumps),
    }
    plan.write_text(json.dumps(document), encoding="utf-8")
    path = os.pathsep.join(filter(None, [str(INJECT), os.environ.get("PYTHONPATH", "")]))
    return Running(
        [*options, "--run", str(run)],
        state,
        {**environment, "NAS_SEARCH_FAULTS": str(plan), "PYTHONPATH": path},
    )
