"""Text to tokens and back: bytes, or a byte-level BPE trained on the text."""

import json
import re
from collections.abc import Iterable, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nas_search.errors import InputError
from nas_search.proxies.text_split import chunks

if TYPE_CHECKING:
    import tokenizers

BYTES = "bytes"
TOKENIZER_FILE = "tokenizer.json"
SMALLEST_BPE = 300
LARGEST_BPE = 1 << 18

# Enough for stable merges; learning them from more text costs time and changes little.
BPE_TRAINING_CHARACTERS = 16_000_000

TokenArray = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.uint32]


class Tokenizer(Protocol):
    """What a corpus and a loaded winner need of a tokenizer."""

    @property
    def vocabulary(self) -> int:
        """Number of different tokens."""

    def encode(self, text: str) -> TokenArray:
        """Tokens of ``text``, [n], in the smallest unsigned type that holds the vocabulary."""

    def encode_each(self, texts: Sequence[str]) -> list[TokenArray]:
        """What :meth:`encode` gives for each of ``texts``, faster than one by one where there are several cores."""

    def decode(self, tokens: Sequence[int]) -> str:
        """Text of ``tokens``; bytes that are no UTF-8 become U+FFFD."""

    def save(self, folder: Path) -> None:
        """Write into ``folder`` what :func:`load_tokenizer` needs beside the name."""


class ByteTokenizer:
    """One token per byte of UTF-8."""

    vocabulary = 256

    def encode(self, text: str) -> TokenArray:
        """The bytes of ``text``, [n], uint8."""
        return np.frombuffer(text.encode(), dtype=np.uint8)

    def encode_each(self, texts: Sequence[str]) -> list[TokenArray]:
        """The bytes of each of ``texts``."""
        return [self.encode(text) for text in texts]

    def decode(self, tokens: Sequence[int]) -> str:
        """Text of ``tokens``; bytes that are no UTF-8 become U+FFFD."""
        return bytes(tokens).decode(errors="replace")

    def save(self, folder: Path) -> None:
        """Bytes need no file."""


class BytePairTokenizer:
    """Byte-level BPE of the ``tokenizers`` library (Sennrich et al. 2016; byte level as in GPT-2)."""

    def __init__(self, model: "tokenizers.Tokenizer") -> None:
        self._model = model
        self.vocabulary = int(model.get_vocab_size())

    def encode(self, text: str) -> TokenArray:
        """Tokens of ``text``, [n]. Long text is encoded in chunks cut at line ends."""
        return self.encode_each([text])[0]

    def encode_each(self, texts: Sequence[str]) -> list[TokenArray]:
        """Tokens of each of ``texts``; all their chunks are encoded together."""
        pieces = [chunks(text) for text in texts]
        encodings = iter(self._model.encode_batch(list(chain.from_iterable(pieces)), add_special_tokens=False))
        return [self._joined(islice(encodings, len(own))) for own in pieces]

    def _joined(self, encodings: "Iterable[tokenizers.Encoding]") -> TokenArray:
        dtype = np.uint16 if self.vocabulary <= 1 << 16 else np.uint32
        parts = [np.array(encoding.ids, dtype=dtype) for encoding in encodings]
        return np.concatenate([np.empty(0, dtype=dtype), *parts])

    def decode(self, tokens: Sequence[int]) -> str:
        """Text of ``tokens``; bytes that are no UTF-8 become U+FFFD."""
        return str(self._model.decode(list(tokens), skip_special_tokens=False))

    def save(self, folder: Path) -> None:
        """Write ``tokenizer.json``, which transformers and the ``tokenizers`` library read."""
        (folder / TOKENIZER_FILE).write_text(self._model.to_str(), encoding="utf-8")


def bpe_size(name: str) -> int | None:
    """Vocabulary of ``bpe:N``, None for ``bytes``. Raises InputError for any other name."""
    if name == BYTES:
        return None
    match = re.fullmatch(r"bpe:(\d{1,9})", name)
    if match is None or not SMALLEST_BPE <= int(match[1]) <= LARGEST_BPE:
        raise InputError(f"tokenizer '{name}': give 'bytes' or 'bpe:N' with N from {SMALLEST_BPE} to {LARGEST_BPE}")
    return int(match[1])


def train_tokenizer(name: str, text: str) -> Tokenizer:
    """The tokenizer called ``name``; a BPE learns its merges from the start of ``text``.

    A short text may give a smaller vocabulary than asked for. Raises InputError for an unknown name.
    """
    size = bpe_size(name)
    if size is None:
        return ByteTokenizer()
    from tokenizers import Tokenizer as Model
    from tokenizers import decoders, models, pre_tokenizers, trainers

    model = Model(models.BPE())
    model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    model.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False)
    model.train_from_iterator(chunks(text[:BPE_TRAINING_CHARACTERS]), trainer)
    return BytePairTokenizer(model)


def load_tokenizer(name: str, folder: Path) -> Tokenizer:
    """The tokenizer called ``name`` that was saved into ``folder``. Raises InputError when its file is damaged."""
    if bpe_size(name) is None:
        return ByteTokenizer()
    from tokenizers import Tokenizer as Model

    path = folder / TOKENIZER_FILE
    try:
        text = path.read_text(encoding="utf-8")
        _check_kind(json.loads(text))
        return BytePairTokenizer(Model.from_str(text))
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # the library raises bare Exception for bad JSON, and its panics are not even that
        raise InputError(f"{path}: no readable tokenizer: {' '.join(str(error).split())}") from None


_PARTS = {"model": "BPE", "pre_tokenizer": "ByteLevel", "decoder": "ByteLevel"}
_WITHOUT = ("normalizer", "post_processor", "truncation", "padding", "added_tokens")
_MODEL_WITHOUT = ("continuing_subword_prefix", "end_of_word_suffix", "unk_token", "dropout")


def _check_kind(stored: dict[str, Any]) -> None:
    """Raise ValueError for anything but a byte-level BPE that fits together.

    The library knows steps that run patterns of a file's own, and panics at merges that do not fit.
    """
    model = stored["model"]
    kinds = {name: stored[name]["type"] for name in _PARTS}
    more = [name for name in _WITHOUT if stored.get(name)] + [name for name in _MODEL_WITHOUT if model.get(name)]
    if kinds != _PARTS or more:
        raise ValueError(f"a {kinds['model']} with {', '.join(more) or kinds['pre_tokenizer']}, not a byte-level BPE")
    vocabulary = model["vocab"]
    if sorted(vocabulary.values()) != list(range(len(vocabulary))):
        raise ValueError("its tokens are not numbered from 0 on")
    for first, second in (merge.split(" ") if isinstance(merge, str) else merge for merge in model["merges"]):
        if not {first, second, first + second} <= vocabulary.keys():
            raise ValueError(f"merges {first!r} and {second!r}, which are not all tokens")
