"""A run as a study in memory, which follows the run and which the run knows nothing of.

The dashboard gets a study of its own, since only the driver may write a run's. So nothing that is done there can reach
the run, and attributes may be set that would mislead a sampler.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Container
from pathlib import Path
from threading import Lock
from time import monotonic

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import RandomSampler
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState

from nas_search.errors import InputError
from nas_search.results.dashboard.artifacts import (
    Artifact,
    RunArtifacts,
    artifact_attributes,
    run_artifacts,
    trial_artifacts,
)
from nas_search.results.dashboard.notes import trial_note
from nas_search.results.dashboard.pictures import run_pictures
from nas_search.results.dashboard.study_note import note_before_search, note_of_a_problem, run_facts, study_note
from nas_search.results.dashboard.trials import objective_title, shown_trial
from nas_search.results.view import RunView
from nas_search.search.confirm import CONFIRMATIONS
from nas_search.search.lock import is_locked
from nas_search.search.rundir import CONFIG, LOCK, TABLE, RunDirectory
from nas_search.search.samplers.base import distributions
from nas_search.search.storage.home import study_stamp
from nas_search.search.study import Study
from nas_search.search.trial import TrialRecord

_WATCHED = (CONFIG, TABLE, CONFIRMATIONS, "report.html")
_LEAST_PAUSE_SECONDS, _BUSY_SHARE = 1.0, 0.05
"""Reading a run again takes at most this share of the time, since the search is on the same machine."""


class ShownStorage(InMemoryStorage):
    """A study in memory whose trials are put there whole: Optuna would date changes of them by its own clock."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[FrozenTrial] = []

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """The trial, whose identifier is its number. Raises KeyError if there is none."""
        if not 0 <= trial_id < len(self.shown):
            raise KeyError(f"no trial {trial_id}")
        return self.shown[trial_id]

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[OptunaState] | None = None
    ) -> list[FrozenTrial]:
        """The trials by number, not copied whatever is asked: not to be changed."""
        return [trial for trial in self.shown if states is None or trial.state in states]


class Mirror:
    """What a run is like, as far as it was read; :meth:`refresh` reads what is new."""

    def __init__(self, run: Path, clock: Callable[[], float] = monotonic) -> None:
        """``clock`` tells seconds. Raises InputError if there is no run, or it is damaged."""
        self._run, self._clock, self._lock = run, clock, Lock()
        study = Study.open(run)
        self.storage, self.artifacts = ShownStorage(), RunArtifacts()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._study = optuna.create_study(
            study_name=run.resolve().name,
            storage=self.storage,
            directions=[
                StudyDirection.MAXIMIZE if quantity.higher_is_better else StudyDirection.MINIMIZE
                for quantity in study.goals.objectives
            ],
            sampler=RandomSampler(seed=0),
        )
        self._distributions = distributions(study.space.genes)
        self._records: list[TrialRecord] = []
        self._view: RunView | None = None
        self._note, self._seen, self._due = "", self._stamp(), 0.0
        self._take(study)

    @property
    def study_id(self) -> int:
        """The study's identifier in the storage."""
        return self._study._study_id

    def note(self, number: int) -> str:
        """The note of a trial; empty if there is no such trial."""
        with self._lock:
            view, records = self._view, self._records
        return trial_note(records[number], view) if view is not None and 0 <= number < len(records) else ""

    def refresh(self) -> None:
        """Read the run again if it has changed, not too often. What cannot be read is told in the study's note."""
        with self._lock:
            if self._clock() < self._due or (stamp := self._stamp()) == self._seen:
                return
            began = self._clock()
            try:
                self._take(Study.open(self._run))
            except InputError as error:
                self._write_note(note_of_a_problem(str(error), self._note))
            ended = self._clock()
            self._seen, self._due = stamp, ended + max(_LEAST_PAUSE_SECONDS, (ended - began) / _BUSY_SHARE)

    def _stamp(self) -> tuple[object, ...]:
        """Differs whenever the run does."""
        run = RunDirectory(self._run)
        return (is_locked(run.path / LOCK), study_stamp(run), *(_change(run.path / name) for name in _WATCHED))

    def _take(self, study: Study) -> None:
        view = None if study.facts is None else RunView.of(study)
        names = view.predicted if view else "predicted"
        self._name_objectives([objective_title(quantity, names) for quantity in study.goals.objectives])
        if view is None:
            self._keep_note(note_before_search(study.running))
            return
        files = run_artifacts(study.run_dir, view.records, view.ladder)
        self._show_trials(view)
        self._show_run(view, files)
        self._view = view

    def _show_trials(self, view: RunView) -> None:
        """Those that changed are made again, all others stay as they are."""
        records = sorted(view.records, key=lambda record: record.number)
        before = dict(enumerate(self._records))
        shown = [
            self.storage.shown[place] if before.get(place) == record else self._show_trial(record, view)
            for place, record in enumerate(records)
        ]
        self.storage.shown, self._records = shown, records

    def _show_trial(self, record: TrialRecord, view: RunView) -> FrozenTrial:
        files = trial_artifacts(record, view.ladder)
        self.artifacts.put_trial(files)
        return shown_trial(record, view, self._distributions, artifact_attributes(files))

    def _show_run(self, view: RunView, files: list[Artifact]) -> None:
        from optuna_dashboard import save_plotly_graph_object

        self.artifacts.put_run(files)
        for key, value in artifact_attributes(files).items():
            self.storage.set_study_system_attr(self.study_id, key, value)
        for name, fact in run_facts(view).items():
            self._study.set_user_attr(name, fact)
        for identifier, figure in run_pictures(view).items():
            save_plotly_graph_object(self._study, figure, graph_object_id=identifier)
        links = {file.filename: f"/artifacts/{self.study_id}/{file.identifier}" for file in files}
        self._keep_note(study_note(view, links, f"/dashboard/studies/{self.study_id}/trials?numbers="))

    def _name_objectives(self, names: list[str]) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            self._study.set_metric_names(names)

    def _keep_note(self, body: str) -> None:
        self._note = body
        self._write_note(body)

    def _write_note(self, body: str) -> None:
        from optuna_dashboard import save_note

        save_note(self._study, body)


def _change(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
