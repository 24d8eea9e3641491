"""What a report tells of a study, read once, so that every section is about the same moment."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from nas_search.errors import InputError
from nas_search.results import figures
from nas_search.search.front import LOSS_COORDINATE
from nas_search.search.rungs import Ladder
from nas_search.space.architecture import Architecture

if TYPE_CHECKING:
    from nas_search.profiler.check import TableCheck
    from nas_search.profiler.device import Device
    from nas_search.profiler.table import LatencyTable
    from nas_search.profiler.workload import Workload
    from nas_search.search.config import SearchConfig
    from nas_search.search.front import Point
    from nas_search.search.goals import Goals
    from nas_search.search.prior import Prior
    from nas_search.search.study import Facts, Study
    from nas_search.search.trial import TrialRecord
    from nas_search.search.utilisation import Utilisation
    from nas_search.space.genome import Choice


@dataclass(frozen=True)
class RunView:
    """A study at one moment. ``front`` is by rising predicted latency; ``seconds`` are wall time by phase.

    ``reference`` is that of hypervolumes, a point of ``goals``. ``genomes`` have the choice of each gene, by number of
    the trial. ``utilisation`` is how busy workers were. ``running`` says whether a search was at work in ``run_dir``.
    """

    name: str
    command: str
    read_at: datetime
    config: SearchConfig
    facts: Facts
    table: LatencyTable
    space_size: int
    records: tuple[TrialRecord, ...]
    front: tuple[TrialRecord, ...]
    winner: TrialRecord | None
    goals: Goals
    reference: Point
    prior: Prior
    seconds: dict[str, float]
    run_dir: Path
    running: bool = False
    utilisation: Utilisation | None = None
    genomes: Mapping[int, Mapping[str, Choice]] = field(default_factory=dict)

    @classmethod
    def of(cls, study: Study) -> RunView:
        """Read a study. Raises InputError if its search has not begun."""
        if study.facts is None:
            raise InputError(f"{study.run_dir}: the search has not begun, there is nothing to report yet")
        records = tuple(study.records())
        return cls(
            name=study.run_dir.resolve().name,
            command=repeat_command(study),
            read_at=datetime.now(UTC),
            config=study.config,
            facts=study.facts,
            table=study.table,
            space_size=study.space.size,
            records=records,
            front=tuple(study.front()),
            winner=study.winner(),
            goals=study.goals,
            reference=study.reference(),
            prior=study.prior,
            seconds=dict(study.seconds),
            run_dir=study.run_dir,
            running=study.running,
            utilisation=study.utilisation,
            genomes={record.number: study.genome(record) for record in records},
        )

    @cached_property
    def networks(self) -> dict[int, Architecture]:
        """The architecture of each trial, by number."""
        return {record.number: Architecture.parse(record.architecture) for record in self.records}

    @property
    def scored(self) -> tuple[TrialRecord, ...]:
        """Trials with a loss, reached or extrapolated, each network once."""
        return tuple(r for r in self.records if r.bits_per_byte is not None and r.duplicate_of is None)

    @property
    def anchor(self) -> TrialRecord | None:
        """What others are compared with: the winner, or the front's lowest loss as long as there is none."""
        loss = {record.number: self.goals.point(record)[LOSS_COORDINATE] for record in self.front}
        return self.winner or min(self.front, key=lambda record: loss[record.number], default=None)

    @property
    def workload(self) -> Workload:
        """The question asked of the device."""
        return self.goals.workloads[0]

    @property
    def unit(self) -> str:
        """Of every latency: ``ms`` or ``ms/token``."""
        return self.workload.unit

    @property
    def device(self) -> Device:
        """Where latency was counted."""
        return self.table.device

    @property
    def predicted(self) -> str:
        """The heading of predicted figures, which says where they are from."""
        return figures.predicted(self.table.source)

    @property
    def check(self) -> TableCheck | None:
        """The table's error on held-out networks for the search's own workload."""
        return self.table.check(self.workload)

    @property
    def checks(self) -> dict[str, TableCheck]:
        """The table's errors for every workload that it was checked for, by name."""
        found = {str(workload): self.table.check(workload) for workload in self.goals.workloads}
        return {name: check for name, check in found.items() if check is not None}

    @property
    def ladder(self) -> Ladder:
        """The rungs of the search, in tokens."""
        return Ladder.build(self.config.tokens, self.config.lowest_rung)

    @property
    def trained(self) -> int:
        """Trials that were given to training, here or in another run."""
        return sum(record.trained for record in self.records)

    @property
    def trained_here(self) -> int:
        """Trials that were given to training in this run."""
        return sum(record.trained_here for record in self.records)

    @property
    def confirmed(self) -> tuple[TrialRecord, ...]:
        """Trials that were measured and trained again, by rising measured latency."""
        return tuple(sorted((r for r in self.records if r.confirmed is not None), key=self._measured_ms))

    @property
    def members(self) -> tuple[TrialRecord, ...]:
        """The front, and what was confirmed of an earlier front, by rising predicted latency."""
        members = {record.number: record for record in (*self.front, *self.confirmed)}
        return tuple(sorted(members.values(), key=lambda record: record.latency_ms))

    @property
    def finished(self) -> bool:
        """Whether nothing is running and every stage that this run can have is behind it."""
        if any(record.state == "running" for record in self.records):
            return False
        if self.front and self.config.confirm_members:
            return bool(self.confirmed)
        proposals = self.config.proposals or float("inf")
        return self.trained_here >= self.config.trials or len(self.records) >= proposals

    def _measured_ms(self, record: TrialRecord) -> float:
        measured = record.measured(self.goals.main.name)
        return record.latency_ms if measured is None else measured.value


def repeat_command(study: Study) -> str:
    """The command that runs the same search again: same configuration, same table, another directory."""
    folder = study.run_dir
    paths = {"config": folder / "config.yaml", "table": folder / "table.parquet", "run": f"{folder}-again"}
    return " ".join(["nas-search", *(f"--{name} {shlex.quote(str(path))}" for name, path in paths.items())])
