"""A trial of a run, to be exported: its architecture, and what is known and kept of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from nas_search.errors import InputError
from nas_search.results import figures
from nas_search.results.card import BRIEFLY, card_rows
from nas_search.results.export.base import ExportSource
from nas_search.results.export.fresh import with_fresh_weights
from nas_search.results.view import RunView
from nas_search.results.winner import WINNER_FOLDER
from nas_search.space.architecture import Architecture

if TYPE_CHECKING:
    from nas_search.proxies.tokenizer import Tokenizer
    from nas_search.search.study import Study
    from nas_search.search.trial import TrialRecord


@dataclass(frozen=True)
class PickedTrial:
    """A trial of a study. One that repeats another stands for that."""

    study: Study
    picked: TrialRecord

    @property
    def record(self) -> TrialRecord:
        """The trial that was trained, if any was."""
        first = self.picked.duplicate_of
        return self.picked if first is None else next(r for r in self.study.records() if r.number == first)

    @property
    def architecture(self) -> Architecture:
        """The trial's own, whatever was trained in its place."""
        return Architecture.parse(self.picked.architecture)

    def specification(self) -> ExportSource:
        """With confirmed figures, or a note that has the predicted ones."""
        study, record = self.study, self.record
        reads_text = _vocabulary(record) == self.architecture.vocabulary
        return ExportSource(
            architecture=self.architecture,
            origin=f"trial {self.picked.number} of {study.run_dir}",
            tokenizer_name=study.config.tokenizer if reads_text else None,
            figures=() if record.confirmed is None else tuple(card_rows(study, record, record.confirmed)),
            recipe=study.config.recipe,
            data=study.config.data,
            corpus=study.facts.corpus if study.facts and reads_text else None,
            notes=tuple(_notes(study, record)),
        )

    def network(self, *, weights: bool) -> ExportSource:
        """With the weights of the trial's best seed; fresh ones if only its twin was trained."""
        source = self.specification()
        if source.tokenizer_name is not None:
            source = _with_tokenizer(source, run_tokenizer(self.study))
        return self._with_weights(source) if weights else source

    def _with_weights(self, source: ExportSource) -> ExportSource:
        if self.record.scored_as is not None:
            return with_fresh_weights(source, _twin_note(self.record))
        path, confirmed = weights_file(self.study, self.record), self.record.confirmed
        if path is None or confirmed is None:
            raise InputError(self._no_weights())
        from nas_search.results.loaded_model import read_model

        model, _ = read_model(self.architecture, path)
        which = ("weights", f"those of seed {confirmed.best.seed}, the best of {len(confirmed.scores)}")
        notes = (*source.notes, f"It was trained {BRIEFLY}")
        return replace(source, model=model, trained=True, figures=(*source.figures, which), notes=notes)

    def _no_weights(self) -> str:
        kept = [str(record.number) for record in self.study.records() if weights_file(self.study, record)]
        others = f"trials with weights: {', '.join(kept)}" if kept else "and no other trial has any"
        return (
            f"{self.study.run_dir}: no weights of trial {self.record.number} are kept ({others}); "
            f"--no-weights exports it without, and its architecture exports with fresh ones: "
            f"nas-search export '{self.picked.architecture}'"
        )


def weights_file(study: Study, record: TrialRecord) -> Path | None:
    """The kept weights of a trial's own network; None if there are none: those of a twin are not its own."""
    if record.confirmed is None or record.scored_as is not None:
        return None
    path = study.run_dir / record.confirmed.best.weights
    return path if path.is_file() else None


def run_tokenizer(study: Study) -> Tokenizer | None:
    """The tokenizer of a run, from its winner or from its text; None if that has changed or is gone."""
    from nas_search.proxies.data import load_corpus
    from nas_search.proxies.tokenizer import BYTES, TOKENIZER_FILE, ByteTokenizer, load_tokenizer

    name, winner = study.config.tokenizer, study.run_dir / WINNER_FOLDER
    if name == BYTES:
        return ByteTokenizer()
    if (winner / TOKENIZER_FILE).is_file():
        return load_tokenizer(name, winner)
    try:
        corpus = load_corpus(study.config.data, name)
    except InputError:
        return None
    return corpus.tokenizer if study.facts and corpus.hash == study.facts.corpus else None


def _with_tokenizer(source: ExportSource, tokenizer: Tokenizer | None) -> ExportSource:
    if tokenizer is None:
        lost = f"The text '{source.data}' has changed or is gone, and the tokenizer that was made from it is lost."
        return replace(source, notes=(*source.notes, lost))
    return replace(source, tokenizer=tokenizer)


def _vocabulary(record: TrialRecord) -> int:
    """The number of tokens of the run's text, which what was trained has."""
    return Architecture.parse(record.trained_as).vocabulary


def _notes(study: Study, record: TrialRecord) -> list[str]:
    notes = []
    if not RunView.of(study).finished:
        notes.append("The run is unfinished: what it finds later may be better.")
    if record.confirmed is None:
        loss = "no loss" if record.bits_per_byte is None else f"{figures.bits(record.bits_per_byte)} bits per byte"
        how = " extrapolated" if record.extrapolated else " in one short training"
        main = study.goals.main
        notes.append(
            f"Trial {record.number} ({record.state}) was not confirmed: {figures.significant(record.latency_ms)} "
            f"{main.unit} on {main.name} is {figures.predicted(study.source)}, and it had "
            f"{loss}{how if record.bits_per_byte is not None else ''}."
        )
    return notes


def _twin_note(record: TrialRecord) -> str:
    return (
        f"the search trained a smaller twin, {record.scored_as}, in place of this architecture, and all losses are the "
        f"twin's"
    )
