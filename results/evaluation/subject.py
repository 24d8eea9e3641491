"""Whose weights are evaluated: a trial of a run, or a network in a folder."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nas_search.errors import InputError
from nas_search.proxies.training_plan import RECIPE_FILE
from nas_search.results.export.folder_source import NetworkFolder
from nas_search.results.export.source import find_source
from nas_search.results.export.trial_source import PickedTrial, run_tokenizer
from nas_search.results.train import read_plan
from nas_search.results.winner_files import WEIGHTS_FILE
from nas_search.space.architecture import Architecture

if TYPE_CHECKING:
    from nas_search.results.loaded_model import LoadedModel
    from nas_search.search.trial import TrialRecord

WHAT = "give a run, a winner's folder, or what nas-search train wrote"


@dataclass(frozen=True)
class Subject:
    """A trained network, the folder that it belongs to, and what it read in its training at once, if that is known."""

    origin: str
    folder: Path
    loaded: LoadedModel
    weights: Path
    trained_length: int | None

    @property
    def weights_hash(self) -> str:
        """Twelve hexadecimal digits of the file's SHA-256."""
        with self.weights.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:12]


def find_subject(what: str | Path, pick: str | None = None) -> Subject:
    """The network in ``what``; of a run the trial ``pick``, without it the winner.

    Where a twin was trained in place of an architecture, the weights are the twin's, and so is the network. Raises
    InputError for what is no folder, has no trained weights, or has lost its tokenizer.
    """
    if not Path(what).is_dir():
        raise InputError(f"'{what}': no such folder; {WHAT}")
    found = find_source(Path(what), pick)
    if isinstance(found, PickedTrial):
        return _of_trial(found)
    if isinstance(found, NetworkFolder):
        return _of_folder(found.path)
    raise InputError(f"'{what}': an architecture that nobody trained; {WHAT}")


def _of_folder(folder: Path) -> Subject:
    from nas_search.results.loaded_model import load_model

    trained_length = read_plan(folder).recipe.sequence_length if (folder / RECIPE_FILE).is_file() else None
    return Subject(str(folder), folder, load_model(folder), folder / WEIGHTS_FILE, trained_length)


def _of_trial(found: PickedTrial) -> Subject:
    from nas_search.results.loaded_model import LoadedModel, read_model

    study, record = found.study, found.record
    weights = _weights(study.run_dir, record)
    if weights is None:
        kept = [str(other.number) for other in study.records() if _weights(study.run_dir, other)]
        others = f"pick one of those with weights: trial={', trial='.join(kept)}" if kept else "no trial has any"
        raise InputError(f"{study.run_dir}: no weights of trial {record.number} are kept; {others}")
    tokenizer = run_tokenizer(study)
    if tokenizer is None:
        raise InputError(
            f"{study.run_dir}: data '{study.config.data}' has changed or is gone, and the tokenizer that was made from "
            "it is lost"
        )
    architecture = Architecture.parse(record.trained_as)
    model, _ = read_model(architecture, weights)
    twin_of = None if record.scored_as is None else found.architecture
    return Subject(
        origin=f"trial {found.picked.number} of {study.run_dir}",
        folder=study.run_dir,
        loaded=LoadedModel(architecture, model, tokenizer, twin_of=twin_of),
        weights=weights,
        trained_length=study.config.recipe.sequence_length,
    )


def _weights(run_dir: Path, record: TrialRecord) -> Path | None:
    """Those of the best seed, of the trial itself or of its twin."""
    if record.confirmed is None:
        return None
    path = run_dir / record.confirmed.best.weights
    return path if path.is_file() else None
