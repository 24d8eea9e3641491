"""Training at full length, into a folder that ``nas_search.load`` opens."""

from __future__ import annotations

import json
import math
import shutil
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from nas_search.errors import InputError, RunError, is_disk_full
from nas_search.files import write_text_atomic
from nas_search.profiler.device import resolve_device
from nas_search.proxies.corpus_size import repeats
from nas_search.proxies.data import Corpus, load_corpus
from nas_search.proxies.schedule import check_rungs
from nas_search.proxies.training_plan import RECIPE_FILE, TrainingPlan
from nas_search.proxies.windows import TrainingWindows, validation_windows
from nas_search.results.markdown import rows
from nas_search.results.training_result import RESULT_FILE, TrainingResult, read_result
from nas_search.results.winner_files import ARCHITECTURE_FILE, CARD_FILE, TOKENIZER_KEY, WEIGHTS_FILE
from nas_search.search.lock import RunLock
from nas_search.search.train_device import resolve_train_device
from nas_search.space.package_data import read_file

if TYPE_CHECKING:
    from nas_search.proxies.full_training import FullTraining, Progress

CHECKPOINTS_FOLDER = "checkpoints"
LOCK = "train.lock"
_CARD = """\
# {architecture}

A hybrid language model trained with nas-search.

| | |
|---|---|
{rows}

```python
import nas_search
model = nas_search.load({folder})
print(model.generate_text("import ", new_tokens=200))
```
"""


def read_plan(path: Path) -> TrainingPlan:
    """The plan in a file, or in an exported folder. Raises InputError."""
    file = path / RECIPE_FILE if path.is_dir() else path
    return TrainingPlan.from_yaml(read_file(file), str(file))


def train_plan(plan: TrainingPlan, out: Path, *, progress: Progress, note: Callable[[str], None]) -> TrainingResult:
    """Train what ``plan`` says into ``out``, going on from what is there, and return the result.

    A training that is done is not done again; with more tokens it goes on. ``note`` is told what a user should know.
    Raises InputError for a text that does not suit the architecture and for a folder of something else, RunError if
    the training fails or the disk is full.
    """
    out = _expanded(out)
    check_rungs(plan.recipe, [plan.tokens])
    device = resolve_train_device(plan.device)
    corpus = load_corpus(plan.data, plan.tokenizer)
    _check_text(plan, corpus)
    if plan.corpus not in {None, corpus.hash}:
        note(f"data '{plan.data}': not the text of the recipe (corpus {corpus.hash}, not {plan.corpus})")
    if (said := repeats(plan.tokens, len(corpus.train))) is not None:
        note(f"data '{plan.data}': {said}")
    plan = plan.model_copy(update={"corpus": corpus.hash})
    try:
        _claim(out)
        with RunLock(out / LOCK, "training"):
            _store_or_compare(plan, out)
            done = read_result(out)
            if done is not None and done.asked_tokens == plan.tokens and (out / ARCHITECTURE_FILE).is_file():
                note(f"{out}: trained before")
                return done
            return _train(plan, corpus, out, device, progress)
    except OSError as error:
        if is_disk_full(error):
            raise RunError(f"{out}: disk full; make room and run the same again") from None
        raise InputError(f"{str(out)[:200]}: cannot be written: {error.strerror or error}") from None


def _expanded(out: Path) -> Path:
    """With the home folder in place of ``~``."""
    try:
        return out.expanduser()
    except RuntimeError as error:
        raise InputError(f"{out}: no path to a folder: {error}") from None


def _check_text(plan: TrainingPlan, corpus: Corpus) -> None:
    """Before anything is written."""
    length = plan.recipe.sequence_length
    TrainingWindows(corpus.train, length, plan.recipe.batch, plan.seed)
    validation_windows(corpus.validation, length, plan.recipe.validation_tokens)
    if plan.architecture.vocabulary != corpus.vocabulary:
        raise InputError(
            f"data '{plan.data}': {corpus.vocabulary} different tokens as {plan.tokenizer}, but the architecture has "
            f"{plan.architecture.vocabulary}; give another tokenizer or text, or write vocab={corpus.vocabulary}"
        )


def _claim(out: Path) -> None:
    """A folder of our own, or a new one."""
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: a file; give a folder for the trained network")
    if out.is_dir() and not (out / RECIPE_FILE).is_file() and any(entry.name != LOCK for entry in out.iterdir()):
        raise InputError(f"{out}: not empty and not the folder of a training; give another folder")
    out.mkdir(parents=True, exist_ok=True)


def _store_or_compare(plan: TrainingPlan, out: Path) -> None:
    """Where nothing was saved yet, another recipe may be tried."""
    if any((out / name).exists() for name in (CHECKPOINTS_FOLDER, RESULT_FILE)):
        _compare(plan, read_plan(out), out)
    write_text_atomic(out / RECIPE_FILE, plan.to_yaml())


def _compare(plan: TrainingPlan, stored: TrainingPlan, out: Path) -> None:
    field = plan.conflict_with(stored)
    if field is not None:
        raise InputError(f"{out}: begun with another {field}; give the same recipe or another folder")
    if stored.corpus not in {None, plan.corpus}:
        raise InputError(f"{out}: data '{plan.data}' has changed since the training began; give another folder")
    if plan.tokens < stored.tokens:
        raise InputError(f"{out}: begun for {stored.tokens:,} tokens; give at least as many, or another folder")


def _train(plan: TrainingPlan, corpus: Corpus, out: Path, device: str, progress: Progress) -> TrainingResult:
    from nas_search.proxies.full_training import DECAY_FOLDER, train_fully

    trained = train_fully(
        plan.architecture,
        corpus,
        plan.recipe,
        tokens=plan.tokens,
        seed=plan.seed,
        folder=out / CHECKPOINTS_FOLDER,
        device=device,
        progress=progress,
    )
    result = _result(plan, corpus, trained, resolve_device(device).description)
    _write(result, corpus, trained, out)
    shutil.rmtree(out / CHECKPOINTS_FOLDER / DECAY_FOLDER, ignore_errors=True)
    return result


def _result(plan: TrainingPlan, corpus: Corpus, trained: FullTraining, device: str) -> TrainingResult:
    bits = [loss / math.log(2) / corpus.bytes_per_token for loss in trained.losses]
    mean = statistics.fmean(bits)
    margin = 1.96 * statistics.stdev(bits) / math.sqrt(len(bits)) if len(bits) > 1 else None
    return TrainingResult(
        architecture=plan.architecture.notation,
        parameters=plan.architecture.parameters,
        asked_tokens=plan.tokens,
        tokens=trained.trunk.tokens,
        data=plan.data,
        tokenizer=plan.tokenizer,
        corpus=corpus.hash,
        train_tokens=len(corpus.train),
        seed=plan.seed,
        bits_per_byte=mean,
        low=None if margin is None else mean - margin,
        high=None if margin is None else mean + margin,
        windows=len(bits),
        validation_tokens=len(bits) * plan.recipe.sequence_length,
        device=device,
    )


def _write(result: TrainingResult, corpus: Corpus, trained: FullTraining, out: Path) -> None:
    """The architecture last: without it the folder holds no network."""
    from nas_search.proxies.checkpoint import save_weights

    corpus.tokenizer.save(out)
    save_weights(
        trained.trunk,
        out / WEIGHTS_FILE,
        {"format": "pt", "architecture": result.architecture, TOKENIZER_KEY: result.tokenizer},
    )
    card = _CARD.format(architecture=result.architecture, rows=rows(result.rows), folder=json.dumps(out.as_posix()))
    write_text_atomic(out / CARD_FILE, card)
    write_text_atomic(out / RESULT_FILE, result.model_dump_json(indent=1) + "\n")
    write_text_atomic(out / ARCHITECTURE_FILE, trained.trunk.model.architecture.to_yaml())
