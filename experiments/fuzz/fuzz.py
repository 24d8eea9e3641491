"""Feeds damaged input to everything that reads files and texts of others, and records what did not refuse it cleanly.

    python experiments/fuzz/fuzz.py --inputs 1000000 --seed 0 --out experiments/fuzz/results.json

Every input must be accepted, or refused with InputError or RunError: no other exception, no crash, at most 5 s of CPU
time and 1 GiB more memory. ``--inputs`` are those of all targets; ``--target NAME`` (repeatable) runs only the share
of some, and leaves what ``--out`` has of the others. ``--show NAME:INDEX`` writes one input to stdout. ``--guided
SECONDS`` looks for new code paths with atheris instead (pip install atheris).
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from target import Target, input_rng
from targets import TARGETS
from watch import read_count, write_count

from nas_search.files import write_text_atomic

HERE = Path(__file__).parent
BLOCK = 20_000
_KEPT_FINDINGS = 20
_STUCK_SECONDS = 60.0
"""Of CPU time on one input, where not even a signal interrupts: in a library's own code."""


@dataclass
class Tally:
    """What became of the inputs of one target."""

    inputs: int = 0
    accepted: int = 0
    cpu_seconds: float = 0.0
    findings: list[dict[str, Any]] = field(default_factory=list)

    @property
    def document(self) -> dict[str, Any]:
        """As JSON; of findings that are alike the first."""
        first = {(finding["what"].split(":")[0], finding["where"]): finding for finding in reversed(self.findings)}
        return {
            "inputs": self.inputs,
            "accepted": self.accepted,
            "cpu_seconds": round(self.cpu_seconds, 1),
            "findings": len(self.findings),
            "different": list(first.values())[:_KEPT_FINDINGS],
        }


def shares(targets: Sequence[Target], inputs: int) -> dict[str, int]:
    """How many inputs each target gets: its share, at least one, all together ``inputs`` or a few more."""
    whole = sum(target.share for target in targets)
    counts = {target.name: max(1, int(inputs * target.share / whole)) for target in targets}
    counts[targets[0].name] += max(0, inputs - sum(counts.values()))
    return counts


def fuzz(name: str, count: int, seed: int) -> Tally:
    """Read ``count`` inputs of a target, block by block, each in a fresh process; what kills one is a finding."""
    tally, first = Tally(), 0
    while first < count:
        first = _block(name, seed, first, min(count, first + BLOCK), tally)
    return tally


def _block(name: str, seed: int, first: int, end: int, tally: Tally) -> int:
    """Read inputs from ``first`` on; returns the index to go on with."""
    with tempfile.TemporaryDirectory() as folder:
        counter = Path(folder) / "counter"
        write_count(counter, first)
        command = [sys.executable, str(HERE / "child.py"), name, str(seed), str(first), str(end), str(counter)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        for line in _lines(process, counter):
            document = json.loads(line)
            if "broken" in document:
                raise RuntimeError(f"{name}: {document['broken']}")
            if "read" in document:
                tally.inputs += document["read"]
                tally.accepted += document["accepted"]
                tally.cpu_seconds += document["cpu_seconds"]
                return first + int(document["read"])
            tally.findings.append(document)
        index = read_count(counter)
        what = f"killed: {process.wait()}"
        tally.findings.append({"target": name, "index": index, "what": what, "where": "", "input": ""})
        tally.inputs += index + 1 - first
        return index + 1


def _lines(process: subprocess.Popen[str], counter: Path) -> Iterator[str]:
    """What a child says until it ends; one that is stuck is killed."""
    with ThreadPoolExecutor(1) as pool:
        watching = pool.submit(_kill_when_stuck, process, counter)
        assert process.stdout is not None
        yield from process.stdout
        process.wait()
        watching.result()


def _kill_when_stuck(process: subprocess.Popen[str], counter: Path) -> None:
    watched, index, since = psutil.Process(process.pid), -1, 0.0
    while process.poll() is None:
        try:
            used = sum(watched.cpu_times()[:2])
        except psutil.Error:
            return
        if read_count(counter) != index:
            index, since = read_count(counter), used
        elif used - since > _STUCK_SECONDS:
            process.kill()
        time.sleep(0.2)


def main() -> None:
    """Fuzz what was asked for, and print and store what was found. Exits with 1 if anything was."""
    arguments = _arguments()
    if arguments.show is not None:
        name, _, index = arguments.show.partition(":")
        _show(name, arguments.seed, int(index))
        return
    targets = [TARGETS[name] for name in arguments.target or TARGETS]
    if arguments.guided is not None:
        for target in targets:
            subprocess.run([sys.executable, HERE / "guided.py", target.name, str(arguments.guided)], check=False)
        return
    counts = shares(list(TARGETS.values()), arguments.inputs)

    def one(target: Target) -> tuple[str, Tally]:
        tally = fuzz(target.name, counts[target.name], arguments.seed)
        print(f"{target.name:>16}: {tally.inputs:>9,} inputs, {tally.accepted / max(1, tally.inputs):4.0%} accepted, "
              f"{tally.cpu_seconds:7.1f} s, {len(tally.findings)} findings", flush=True)  # fmt: skip
        for finding in tally.document["different"]:
            print(f"{'':>18}{target.name}:{finding['index']} {finding['what']} [{finding['where']}]", flush=True)
        return target.name, tally

    with ThreadPoolExecutor(arguments.jobs) as pool:
        tallies = dict(pool.map(one, targets))
    found = sum(len(tally.findings) for tally in tallies.values())
    print(f"{sum(tally.inputs for tally in tallies.values()):,} inputs, {found} findings")
    if arguments.out is not None:
        _store({name: tally.document | {"seed": arguments.seed} for name, tally in tallies.items()}, arguments.out)
    sys.exit(1 if found else 0)


def _store(ran: dict[str, dict[str, Any]], out: Path) -> None:
    """Write what was found, in place of what an earlier run found of the same targets."""
    before = json.loads(out.read_text())["targets"] if out.exists() else {}
    targets = {name: (before | ran)[name] for name in TARGETS if name in before | ran}
    document = {
        "inputs": sum(found["inputs"] for found in targets.values()),
        "findings": sum(found["findings"] for found in targets.values()),
        "cpu_seconds": round(sum(found["cpu_seconds"] for found in targets.values()), 1),
        "machine": f"{platform.machine()}, {psutil.cpu_count()} cores, Python {platform.python_version()}",
        "targets": targets,
    }
    write_text_atomic(out, json.dumps(document, indent=1) + "\n")


def _show(name: str, seed: int, index: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        sys.stdout.buffer.write(TARGETS[name].make(Path(folder)).draw(input_rng(seed, name, index)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--target", action="append", choices=list(TARGETS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--show", metavar="NAME:INDEX")
    parser.add_argument("--guided", type=int, metavar="SECONDS")
    return parser.parse_args()


if __name__ == "__main__":
    main()
