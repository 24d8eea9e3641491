"""What is to be exported: a trial of a run, a network in a folder, or an architecture."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from nas_search.errors import InputError
from nas_search.proxies.recipe import TrainingRecipe
from nas_search.proxies.tokenizer import ByteTokenizer
from nas_search.results.export.base import ExportSource
from nas_search.results.export.folder_source import NetworkFolder
from nas_search.results.export.fresh import usual_tokenizer, with_fresh_weights
from nas_search.results.export.pick import FORMS, WINNER, parse_pick
from nas_search.results.export.trial_source import PickedTrial
from nas_search.results.winner_files import ARCHITECTURE_FILE
from nas_search.search.rundir import CONFIG
from nas_search.space.architecture import Architecture
from nas_search.space.zoo import resolve_architecture, zoo_names


class Exportable(Protocol):
    """Something to export."""

    @property
    def architecture(self) -> Architecture:
        """The network's."""

    def specification(self) -> ExportSource:
        """All there is to say of it, without a network and a tokenizer. Imports no torch."""

    def network(self, *, weights: bool) -> ExportSource:
        """The same with its tokenizer and, with ``weights``, a network that has some.

        Raises InputError if it should have trained weights and they are not there or damaged.
        """


@dataclass(frozen=True)
class BareArchitecture:
    """An architecture that nobody trained."""

    architecture: Architecture
    origin: str

    def specification(self) -> ExportSource:
        """With bytes as tokens if the vocabulary is theirs, and the hyperparameters of short training."""
        return ExportSource(
            architecture=self.architecture,
            origin=self.origin,
            tokenizer_name=usual_tokenizer(self.architecture),
            recipe=TrainingRecipe.model_validate({}),
        )

    def network(self, *, weights: bool) -> ExportSource:
        """With fresh weights."""
        source = self.specification()
        source = replace(source, tokenizer=None if source.tokenizer_name is None else ByteTokenizer())
        return with_fresh_weights(source, "nothing was trained") if weights else source


def find_source(what: str | Path | Architecture, pick: str | None = None) -> Exportable:
    """What ``what`` means: a run directory, a folder with a network, or anything that names an architecture.

    ``pick`` is the trial of a run, without it the winner. Raises InputError.
    """
    if isinstance(what, Architecture):
        return BareArchitecture(what, what.notation)
    found = None if str(what) in zoo_names() else _in_folder(Path(what), pick)
    if found is not None:
        return found
    if pick is not None:
        raise InputError(f"pick '{pick}': '{what}' is no run, so there is nothing to pick from")
    return BareArchitecture(resolve_architecture(str(what)), str(what))


def _in_folder(path: Path, pick: str | None) -> Exportable | None:
    """What is in a folder; None if ``path`` is no folder."""
    try:
        if not path.is_dir():
            return None
        is_run, is_network = (path / CONFIG).is_file(), (path / ARCHITECTURE_FILE).is_file()
    except (OSError, ValueError):  # a notation is no name of a file, and may be too long for one
        return None
    if is_run:
        from nas_search.search.study import Study

        choose = parse_pick(WINNER if pick is None else pick)
        study = Study.open(path)
        return PickedTrial(study, choose(study))
    if pick is not None:
        raise InputError(f"pick '{pick}': {path} is no run (no {CONFIG} in it); {FORMS} are of a run")
    if is_network:
        return NetworkFolder(path)
    raise InputError(f"{path}: neither a run (no {CONFIG} in it) nor a network (no {ARCHITECTURE_FILE})")
