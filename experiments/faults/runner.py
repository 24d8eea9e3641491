"""Plays a cell: its steps one after the other, the same command once more, then what must be true."""

from __future__ import annotations

import re
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import psutil
from bed import Bed
from cell import Cell, Change, Command, Sitting, Step
from outcome import Finished, Outcome
from places import PLACES, UnavailableError
from process import Ended, Running, start_sitting

from nas_search.errors import InputError

CHECKS = ("played", "exit code", "message", "nothing lost", "resumed", "clean")
_ENDING_SECONDS = 10.0
_PREFIX = "nas-search: "


@dataclass
class Verdict:
    """What became of a cell: problems by check, or why it was not played."""

    name: str
    problems: dict[str, str] = field(default_factory=dict)
    skipped: str = ""
    messages: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def state(self) -> Literal["pass", "fail", "skipped"]:
        """In a word."""
        if self.skipped:
            return "skipped"
        return "fail" if self.problems else "pass"

    def document(self) -> dict[str, Any]:
        """For the recorded result."""
        return {**asdict(self), "state": self.state, "seconds": round(self.seconds, 1)}


def play(cell: Cell, bed: Bed, folder: Path) -> Verdict:
    """Play a cell in a folder of its own."""
    folder.mkdir()
    started = time.monotonic()
    with ExitStack() as stack:
        try:
            environment = {
                key: value for need in cell.needs for key, value in stack.enter_context(PLACES[need](folder)).items()
            }
        except UnavailableError as reason:
            return Verdict(cell.name, skipped=str(reason))
        story = _Story(cell, bed, folder, environment)
        try:
            story.tell()
        except Exception as error:
            story.verdict.problems.setdefault("played", f"{type(error).__name__}: {error}")
    story.verdict.seconds = time.monotonic() - started
    return story.verdict


class _Story:
    def __init__(self, cell: Cell, bed: Bed, folder: Path, environment: dict[str, str]) -> None:
        self.cell, self.bed, self.folder = cell, bed, folder
        self.run = (folder / "disk" if "disk" in cell.needs else folder) / "run"
        self.environment = {**bed.environment(), **environment}
        self.verdict = Verdict(cell.name)
        self._finished: list[Finished] = []
        self._lost: set[str] = set()
        self._started = 0

    def tell(self) -> None:
        """All steps, the last sitting, and what is checked in the end."""
        for step in self.cell.steps:
            self._step(step)
        last = self._start(Sitting())
        self._ended(Sitting(), last.wait())
        if "exit code" not in self.verdict.problems:
            self._check_outcome()
            self._check_nothing_lost(last)
        self._check_clean()

    def _step(self, step: Step) -> None:
        if isinstance(step, Sitting):
            self._sit(step)
        elif isinstance(step, Command):
            arguments = [argument.format(run=self.run) for argument in step.arguments]
            self._ended(step, Running(arguments, self._state(), self.environment).wait())
        else:
            self._change(step)

    def _sit(self, step: Sitting) -> None:
        running = self._start(step)
        if step.beside:
            if not running.wait_for("paused"):
                self._problem("exit code", "the search ended before it stood still")
            for other in step.beside:
                self._step(other)
            (running.state / "go").touch()
        ended = running.wait()
        struck = {file.stem for file in running.state.glob("*.struck")}
        if len(struck) < len(step.faults):
            self._problem("exit code", "the moment did not come")
        self._ended(step, ended)
        self._finished.append(Finished.of(self.run))

    def _start(self, step: Sitting) -> Running:
        kind = self.cell.kind
        table = self.bed.table if kind.gives_table else None
        options = [*self.bed.options(kind, table), *self.cell.options, *step.options]
        return start_sitting(
            self._state(), self.run, options, self.environment, kind.functions, step.faults, step.clock_jumps
        )

    def _state(self) -> Path:
        self._started += 1
        return self.folder / f"sitting{self._started}"

    def _change(self, change: Change) -> None:
        files = [self.run] if change.file == "." else sorted(self.run.glob(change.file))
        if not files:
            self._problem("resumed", f"no {change.file} to change")
            return
        for file in files:
            change.act(file)
            self._lost.add(change.loses.format(stem=file.stem))

    def _ended(self, step: Sitting | Command, ended: Ended) -> None:
        line = ended.last_line
        if ended.code != step.exit_code:
            self._problem("exit code", f"{ended.code} instead of {step.exit_code} ({line[:200]})")
        if "Traceback" in ended.errors:
            self._problem("message", f"a traceback that ends in: {line[:200]}")
        complaints = [text for text in ended.errors.splitlines() if text.startswith(_PREFIX)]
        if ended.code in {1, 2} and complaints != [line]:
            self._problem("message", f"not one line, the last, but {complaints[:3]} and {line[:200]!r}")
        if step.says and not re.search(step.says, line):
            self._problem("message", f"{line[:300]!r} does not say {step.says!r}")
        if step.says:
            self.verdict.messages.append(self._without_places(line))

    def _without_places(self, line: str) -> str:
        """A message as it would be in any folder."""
        places = {self.run: "RUN", self.folder: "CELL", self.bed.folder: "BED"}
        for place, name in places.items():
            line = line.replace(str(place), name)
        return line.removeprefix(_PREFIX)

    def _check_outcome(self) -> None:
        try:
            found = Outcome.of(self.run)
        except InputError as error:
            self._problem("resumed", str(error))
            return
        difference = found.differs_from(self.bed.reference(self.cell, self.run / "table.parquet"))
        if difference:
            self._problem("resumed", difference)
        missing = [name for name in ("winner/README.md", "report.html") if not (self.run / name).is_file()]
        if missing:
            self._problem("resumed", f"no {', '.join(missing)}")
        if self.cell.failed:
            self._check_failed()

    def _check_failed(self) -> None:
        from nas_search.search.study import Study

        reasons = [record.reason or "" for record in Study.open(self.run).records() if record.state == "failed"]
        if len(reasons) != 1 or not re.search(self.cell.failed, reasons[0]):
            self._problem("message", f"failed trials say {reasons}, not {self.cell.failed!r}")
        self.verdict.messages += reasons

    def _check_nothing_lost(self, last: Running) -> None:
        """Trials that were told are still there, and no job whose result was there is done again."""
        now = Finished.of(self.run)
        for before in self._finished:
            for number, told in before.told.items():
                if now.told.get(number) != told:
                    self._problem("nothing lost", f"trial {number} was {told}, now it is {now.told.get(number)}")
        kept = {name for before in self._finished for name in before.results} - self._lost
        repeated = sorted(kept & set(last.begun))
        if repeated:
            self._problem("nothing lost", f"done again: {', '.join(repeated)}")

    def _check_clean(self) -> None:
        hidden = [str(file.relative_to(self.run)) for file in self.run.rglob(".*")]
        if hidden:
            self._problem("clean", f"left behind: {', '.join(hidden)}")
        patience = time.monotonic() + _ENDING_SECONDS
        while left := self._processes():
            if time.monotonic() > patience:
                self._problem("clean", f"processes left behind: {left}")
                return
            time.sleep(0.1)

    def _processes(self) -> list[int]:
        return [
            process.pid
            for process in psutil.process_iter(["cmdline"])
            if str(self.run) in (process.info["cmdline"] or ())
        ]

    def _problem(self, check: str, text: str) -> None:
        self.verdict.problems.setdefault(check, text)
