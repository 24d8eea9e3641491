"""A tokenizer as ``AutoTokenizer`` reads it."""

from __future__ import annotations

from pathlib import Path

from nas_search.files import write_text_atomic
from nas_search.proxies.tokenizer import TOKENIZER_FILE, ByteTokenizer, Tokenizer
from nas_search.results.export.hf.json_files import write_json

# Bytes that byte-level tokenizers show as the character of the same number; the others go, in order, from 256 upwards.
_VISIBLE = (*range(33, 127), *range(161, 173), *range(174, 256))


def write_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """``tokenizer.json``, and ``tokenizer_config.json`` with no special tokens and nothing cleaned up."""
    if isinstance(tokenizer, ByteTokenizer):
        write_text_atomic(folder / TOKENIZER_FILE, _byte_model())
    else:
        tokenizer.save(folder)
    write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "clean_up_tokenization_spaces": False,
            "model_input_names": ["input_ids", "attention_mask"],
            "padding_side": "left",
        },
    )


def byte_symbols() -> list[str]:
    """The character that stands for each byte, in the order of bytes."""
    hidden = iter(range(256, 512))
    return [chr(byte if byte in _VISIBLE else next(hidden)) for byte in range(256)]


def _byte_model() -> str:
    """A byte-level BPE without merges whose tokens are the bytes, each numbered by its value."""
    from tokenizers import Tokenizer as Model
    from tokenizers import decoders, models, pre_tokenizers

    model = Model(models.BPE(vocab={symbol: byte for byte, symbol in enumerate(byte_symbols())}, merges=[]))
    model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    model.decoder = decoders.ByteLevel()
    return str(model.to_str(pretty=True))
