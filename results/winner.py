"""The winner as a folder that others can load: architecture, weights, tokenizer and card."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nas_search.errors import RunError
from nas_search.files import replacing_folder, write_atomic, write_text_atomic
from nas_search.proxies.checksum import CHECKSUM_KEY, checksum
from nas_search.proxies.data import load_corpus
from nas_search.proxies.tokenizer import BYTES
from nas_search.results.card import winner_card
from nas_search.results.winner_files import ARCHITECTURE_FILE, CARD_FILE, TOKENIZER_KEY, TWIN_FILE, WEIGHTS_FILE
from nas_search.space.architecture import Architecture

if TYPE_CHECKING:
    from nas_search.results.loaded_model import LoadedModel
    from nas_search.search.study import Study

WINNER_FOLDER = "winner"
_TRAINED_AGAIN = "without that file the same search trains them again"


def write_winner(study: Study) -> Path:
    """Write ``winner/`` into the run directory, replacing an older one, and return its path.

    Raises RunError if the study has no confirmed winner, its weights cannot be read, or the text that its tokenizer
    was made from has changed; OSError when the disk is full.
    """
    target = study.run_dir / WINNER_FOLDER
    with replacing_folder(target) as folder:
        _fill(folder, study, target)
    return target


def load_winner(path: str | Path) -> LoadedModel:
    """The model in a folder written by :func:`write_winner`, the winner itself or the twin that was trained for it.

    Raises InputError if a file is missing or damaged.
    """
    from nas_search.results.loaded_model import load_model

    return load_model(Path(path))


def _fill(folder: Path, study: Study, target: Path) -> None:
    winner, weights = study.winner(), study.winner_weights()
    if winner is None or winner.confirmed is None or weights is None:
        raise RunError(f"{study.run_dir}: no confirmed winner, so there is nothing to hand over")
    write_text_atomic(folder / ARCHITECTURE_FILE, Architecture.parse(winner.architecture).to_yaml())
    if winner.scored_as is not None:
        write_text_atomic(folder / TWIN_FILE, Architecture.parse(winner.scored_as).to_yaml())
    write_atomic(folder / WEIGHTS_FILE, _weights(weights, winner.trained_as, study.config.tokenizer))
    write_text_atomic(folder / CARD_FILE, winner_card(study, winner, winner.confirmed, target.as_posix()))
    _save_tokenizer(folder, study)


def _weights(source: Path, architecture: str, tokenizer: str) -> bytes:
    """The weights with metadata that says what they belong to."""
    from safetensors import SafetensorError, safe_open
    from safetensors.numpy import save

    try:
        with safe_open(source, framework="numpy") as file:
            kept = (file.metadata() or {}).get(CHECKSUM_KEY)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except (OSError, SafetensorError) as error:
        raise RunError(f"{source}: the winner's weights cannot be read ({error}); {_TRAINED_AGAIN}") from None
    if kept not in {None, checksum({name: tensor.reshape(-1).data for name, tensor in tensors.items()})}:
        raise RunError(f"{source}: the winner's weights are damaged; {_TRAINED_AGAIN}")
    return save(tensors, {"format": "pt", "architecture": architecture, TOKENIZER_KEY: tokenizer})


def _save_tokenizer(folder: Path, study: Study) -> None:
    """Bytes need no file; a BPE is taken from the corpus, if that is still the one of the study."""
    if study.config.tokenizer == BYTES or study.facts is None:
        return
    corpus = load_corpus(study.config.data, study.config.tokenizer)
    if corpus.hash != study.facts.corpus:
        raise RunError(f"data '{study.config.data}': changed since the search, so the winner's tokenizer is lost")
    corpus.tokenizer.save(folder)
