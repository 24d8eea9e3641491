"""Reading a study: everything about one search, from its directory, while it runs or afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nas_search.errors import InputError, first_problem
from nas_search.profiler.measurement import Source
from nas_search.profiler.table import LatencyTable
from nas_search.proxies.twin import TwinRule
from nas_search.search.choice import choose_winner, confirmed_front, search_front
from nas_search.search.chosen_shape import ChosenShape
from nas_search.search.config import MOST, SearchConfig
from nas_search.search.events import seconds_by_phase
from nas_search.search.front import Point, hypervolume
from nas_search.search.goals import Goals
from nas_search.search.journal import CANDIDATE, record_of
from nas_search.search.lock import is_locked
from nas_search.search.prior import PRIOR, Prior
from nas_search.search.rundir import LOCK, RunDirectory, read_run
from nas_search.search.storage.home import read_stored
from nas_search.search.study_check import check_study
from nas_search.search.trial import Confirmation, TrialRecord
from nas_search.search.utilisation import Utilisation, utilisation
from nas_search.space.genome import Choice
from nas_search.space.search_space import SearchSpace

if TYPE_CHECKING:
    import pandas as pd

JOB_PHASES = frozenset({"table", "law", "training", "recall", "measuring"})


class Facts(BaseModel):
    """What a study was begun with. A search is a function of these and of its configuration.

    ``objectives`` and ``limits`` are all there are, the main workload's latency budget included, in canonical form.
    ``penalty_loss`` in bits per byte is that of a model which knows nothing, and stands for candidates over a limit.
    ``train_tokens`` are those of the text, None in studies that did not note it.
    ``shape`` is what the first of two stages chose; the ``space`` is that of the second then.
    ``twins`` says how candidates are scored in a search that does not train them as they are. ``warm_start`` is the
    hash of what other runs had told.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    space: str
    corpus: str
    train_tokens: int | None = Field(None, ge=1, le=MOST)
    table: str
    objectives: tuple[str, ...]
    limits: tuple[str, ...]
    penalty_loss: float
    twins: TwinRule | None = None
    warm_start: str | None = None
    shape: ChosenShape | None = None
    versions: dict[str, str]

    @classmethod
    def stored(cls, fields: Mapping[str, Any], run: Path) -> Facts:
        """Those that a study holds. Raises InputError if they are damaged."""
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            raise InputError(f"{run}: the study is damaged, what it was begun with: {first_problem(error)}") from None

    @property
    def goals(self) -> Goals:
        """Objectives and limits."""
        return Goals.stored(self.objectives, self.limits)


class Study:
    """A snapshot of a study; open it again to see what has happened since."""

    def __init__(self, run: RunDirectory) -> None:
        self.run_dir = run.path
        self.config: SearchConfig = run.config()
        self.space: SearchSpace = run.space()
        self._run = run
        stored = read_stored(run, self.config)
        try:
            self.facts = Facts.model_validate(stored.facts) if stored.facts else None
            self.goals = self.facts.goals if self.facts else Goals.of(self.config)
            if self.facts and self.facts.shape:
                self.space = self.facts.shape.second_stage(self.space)
            self.goals = replace(self.goals, columns=Goals.of(self.config).columns)
            proposed = [trial for trial in stored.trials if CANDIDATE in trial.user_attrs]
            records = [record_of(trial) for trial in proposed]
            self._genomes = {trial.number: trial.user_attrs[CANDIDATE]["genome"] for trial in proposed}
            check_study(self.goals, records)
        except (ValidationError, LookupError, ValueError, TypeError) as error:
            raise InputError(f"{stored.where}: damaged, not a study of this program ({_one_line(error)})") from None
        self._records, self._weights_at = _with_confirmations(records, stored.confirmations), stored.weights_at

    @classmethod
    def open(cls, run_dir: Path | str) -> Study:
        """The study in a run directory. Raises InputError if there is none or it is damaged."""
        return cls(read_run(Path(run_dir)))

    def records(self) -> list[TrialRecord]:
        """All trials, in the order of their proposals."""
        return sorted(self._records, key=lambda record: record.proposal_index)

    def genome(self, record: TrialRecord) -> dict[str, Choice]:
        """The choice of each gene of a trial, by the gene's name."""
        return dict(self._genomes[record.number])

    @property
    def running(self) -> bool:
        """Whether a search is at work in the run directory now."""
        return is_locked(self.run_dir / LOCK)

    def front(self) -> list[TrialRecord]:
        """Non-dominated trials by predicted figures and the loss at the top rung, fastest first."""
        return search_front(self.records(), self.goals)

    def confirmed_front(self) -> list[TrialRecord]:
        """Non-dominated confirmed trials by confirmed figures and the mean loss over seeds, fastest first."""
        return confirmed_front(self.records(), self.goals)

    def winner(self) -> TrialRecord | None:
        """The winner: the lowest confirmed loss within all limits if there is one; None before the last stage."""
        return choose_winner(self.records(), self.goals)

    def winner_weights(self) -> Path | None:
        """The winner's weights (safetensors), those of its best seed."""
        winner = self.winner()
        if winner is None or winner.confirmed is None:
            return None
        return self.run_dir / winner.confirmed.best.weights

    def weights_elsewhere(self, record: TrialRecord) -> str | None:
        """HOST:FOLDER of the run directory that has a confirmed trial's weights; None if it is this one."""
        return self._weights_at.get(record.fingerprint)

    @property
    def limit_ms(self) -> float | None:
        """The limit on the search's own workload, None without one or before the study began."""
        return self.goals.main_limit

    @cached_property
    def table(self) -> LatencyTable:
        """The latency table that the search used. Raises InputError before it is recorded."""
        return LatencyTable.load(self._run.table)

    @cached_property
    def prior(self) -> Prior:
        """What other runs had told when the study began. Raises InputError if its file is damaged."""
        kept = self.run_dir / PRIOR
        return Prior.load(kept) if kept.exists() else Prior()

    @property
    def source(self) -> Source:
        """Where predicted figures are from: a recorded table, or an estimate. Raises InputError as the table does."""
        return self.table.source

    @cached_property
    def seconds(self) -> dict[str, float]:
        """Wall time by phase over all sittings: table, training, measuring, sampling (of idle workers), other."""
        return seconds_by_phase(self._run.events)

    @cached_property
    def utilisation(self) -> Utilisation | None:
        """How busy workers were while it searched; None if that never ended, not even by an interruption."""
        return utilisation(self._run.events)

    @property
    def overhead(self) -> float:
        """Share of the workers' time that was neither training nor timing; waiting for the last worker is training."""
        total = sum(self.seconds.values())
        jobs = sum(seconds for phase, seconds in self.seconds.items() if phase in JOB_PHASES)
        return 1 - jobs / total if total else 0.0

    def reference(self) -> Point:
        """The reference point of hypervolumes: limits, or the worst that was seen, and the penalty loss."""
        return self.goals.reference(self._records, self.facts.penalty_loss if self.facts else 8.0)

    def hypervolume(self, reference: Point | None = None) -> float:
        """Hypervolume of the front, in the product of all objectives' units."""
        return hypervolume([self.goals.point(record) for record in self.front()], reference or self.reference())

    def hypervolume_history(self, reference: Point | None = None) -> list[tuple[int, float]]:
        """(trials trained, hypervolume of the front by then), in the order of proposals."""
        return hypervolume_history(self.records(), self.goals, reference or self.reference())

    def dataframe(self) -> pd.DataFrame:
        """One row for each trial, confirmed figures as columns."""
        import pandas as pd

        return pd.DataFrame([_row(record, self.goals) for record in self.records()])


def _with_confirmations(
    records: Sequence[TrialRecord], confirmations: Mapping[str, Confirmation]
) -> tuple[TrialRecord, ...]:
    """The records; each confirmation stands at the trial that was trained, not at its duplicates."""
    return tuple(
        record.model_copy(update={"confirmed": confirmations.get(record.fingerprint)})
        if record.duplicate_of is None
        else record
        for record in records
    )


def hypervolume_history(records: Sequence[TrialRecord], goals: Goals, reference: Point) -> list[tuple[int, float]]:
    """(trials trained, hypervolume by then) after each trained record."""
    points: list[Point] = []
    history = []
    trained = (record for record in records if record.trained)
    for count, record in enumerate(trained, start=1):
        if record.state == "complete":
            points.append(goals.point(record))
        history.append((count, hypervolume(points, reference)))
    return history


def _row(record: TrialRecord, goals: Goals) -> dict[str, Any]:
    row = record.model_dump(exclude={"confirmed", "rung_scores", "figures", "recalls"})
    confirmed = record.confirmed
    return row | {
        "confirmed_latency_ms": confirmed.latency.value if confirmed and confirmed.latency else None,
        "confirmed_bits_per_byte": confirmed.bits_per_byte if confirmed else None,
        **_further(record, goals),
        **_recall(record, goals),
    }


def _further(record: TrialRecord, goals: Goals) -> dict[str, float | None]:
    """Two columns for each further workload: ``memory:1024 (MiB, predicted)`` and the same measured."""
    columns: dict[str, float | None] = {}
    for quantity in goals.further:
        measured = record.measured(quantity.name)
        columns[f"{quantity.name} ({quantity.unit}, predicted)"] = record.figures[quantity.name]
        columns[f"{quantity.name} ({quantity.unit}, measured)"] = measured.value if measured else None
    return columns


def _recall(record: TrialRecord, goals: Goals) -> dict[str, float | None]:
    """A column for each recall task, of a search that trains every candidate on it two."""
    columns: dict[str, float | None] = {}
    for quantity in goals.confirmed_recalls:
        if quantity in goals.recalls:
            columns[f"{quantity.name} ({quantity.unit}, searched)"] = record.figures.get(quantity.name)
        score = record.confirmed_recall(quantity.name)
        columns[f"{quantity.name} ({quantity.unit}, confirmed)"] = score.mean if score else None
    return columns


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:120]
