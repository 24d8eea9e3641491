"""Files that can be downloaded from the dashboard: those of the run as they are, those of a trial written on demand."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import partial
from io import BytesIO, StringIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, NoReturn

from optuna.artifacts import ArtifactMeta
from optuna.artifacts.exceptions import ArtifactNotFound

from nas_search.results.winner_files import ARCHITECTURE_FILE, TWIN_FILE
from nas_search.space.architecture import Architecture

if TYPE_CHECKING:
    from nas_search.search.rungs import Ladder
    from nas_search.search.trial import TrialRecord

CURVE_FILE, CURVES_FILE = "learning-curve.csv", "learning-curves.csv"
_RUN_FILES = {"report.html": "text/html", "config.yaml": "text/plain", "space.yaml": "text/plain"}
_YAML, _CSV = "text/plain", "text/csv"
_CURVE_HEAD = ("trial", "rung", "tokens", "bits_per_byte")


class Artifact(NamedTuple):
    """A file: ``read`` gives its bytes, and raises OSError if they are gone."""

    identifier: str
    filename: str
    mimetype: str
    read: Callable[[], bytes]


class RunArtifacts:
    """Optuna's protocol of an artifact store, for reading."""

    def __init__(self) -> None:
        self._of_run: dict[str, Artifact] = {}
        self._of_trials: dict[str, Artifact] = {}

    def put_run(self, artifacts: Iterable[Artifact]) -> None:
        """The files of the run, in place of those that were there."""
        self._of_run = {artifact.identifier: artifact for artifact in artifacts}

    def put_trial(self, artifacts: Iterable[Artifact]) -> None:
        """The files of a trial."""
        self._of_trials |= {artifact.identifier: artifact for artifact in artifacts}

    def open_reader(self, artifact_id: str) -> BinaryIO:
        """The content. Raises ArtifactNotFound if there is no such file, or no longer."""
        artifact = self._of_run.get(artifact_id) or self._of_trials.get(artifact_id)
        if artifact is None:
            raise ArtifactNotFound(f"no artifact {artifact_id}")
        try:
            return BytesIO(artifact.read())
        except OSError as error:
            raise ArtifactNotFound(f"{artifact.filename}: {error.strerror}") from None

    def write(self, artifact_id: str, content_body: BinaryIO) -> NoReturn:
        """Nothing is ever written. Raises PermissionError."""
        raise PermissionError("a view of a run takes no artifacts")

    def remove(self, artifact_id: str) -> NoReturn:
        """Nothing is ever removed. Raises PermissionError."""
        raise PermissionError("a view of a run removes no artifacts")


def run_artifacts(folder: Path, records: Iterable[TrialRecord], ladder: Ladder) -> list[Artifact]:
    """Report, configuration and space where they are there, and all learning curves in one table."""
    files = [
        Artifact(f"0-{place}", name, mimetype, (folder / name).read_bytes)
        for place, (name, mimetype) in enumerate(_RUN_FILES.items())
        if (folder / name).is_file()
    ]
    curves = partial(_curves, [record for record in records if record.rung_scores], ladder)
    return [*files, Artifact(f"0-{len(_RUN_FILES)}", CURVES_FILE, _CSV, curves)]


def trial_artifacts(record: TrialRecord, ladder: Ladder) -> list[Artifact]:
    """The architecture, its twin if that was trained, and the learning curve if there is one."""
    owner = f"{record.number + 1:x}"
    found = [Artifact(f"{owner}-0", ARCHITECTURE_FILE, _YAML, partial(_architecture, record.architecture))]
    if record.scored_as is not None:
        found.append(Artifact(f"{owner}-1", TWIN_FILE, _YAML, partial(_architecture, record.scored_as)))
    if record.rung_scores:
        found.append(Artifact(f"{owner}-2", CURVE_FILE, _CSV, partial(_curves, [record], ladder)))
    return found


def artifact_attributes(artifacts: Iterable[Artifact]) -> dict[str, str]:
    """The system attributes by which Optuna knows them."""
    metas = (ArtifactMeta(one.identifier, one.filename, one.mimetype, encoding=None) for one in artifacts)
    return {f"artifacts:{meta.artifact_id}": json.dumps(asdict(meta)) for meta in metas}


def _architecture(notation: str) -> bytes:
    return Architecture.parse(notation).to_yaml().encode()


def _curves(records: Iterable[TrialRecord], ladder: Ladder) -> bytes:
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_CURVE_HEAD)
    for record in records:
        for rung, (tokens, loss) in enumerate(zip(ladder.tokens, record.rung_scores, strict=False)):
            writer.writerow((record.number, rung, tokens, loss))
    return text.getvalue().encode()
