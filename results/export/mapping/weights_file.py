"""Safetensors written a tensor at a time: no second copy of a network in memory, and a full disk is an OSError."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas_search.files import replacing_file

if TYPE_CHECKING:
    from torch import Tensor

Named = tuple[str, "Tensor"]

_TYPES = {"float64": "F64", "float32": "F32", "bfloat16": "BF16", "float16": "F16"}
_ALIGNMENT = 8
_LENGTH_BYTES = 8


def write_weights(path: Path, shapes: Iterable[Named], tensors: Iterable[Named]) -> None:
    """Write named ``tensors``; ``shapes`` are the same without their numbers, since the file begins with all shapes.

    Raises OSError when the disk is full; then there is no file.
    """
    expected = list(shapes)
    with replacing_file(path) as file:
        file.write(_header(expected))
        for (name, shape), (found, tensor) in zip(expected, tensors, strict=True):
            assert (name, shape.shape, shape.dtype) == (found, tensor.shape, tensor.dtype)
            file.write(_content(tensor))


def _header(shapes: Sequence[Named]) -> bytes:
    fields: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    start = 0
    for name, shape in shapes:
        end = start + shape.numel() * shape.element_size()
        dtype = _TYPES[str(shape.dtype).removeprefix("torch.")]
        fields[name] = {"dtype": dtype, "shape": list(shape.shape), "data_offsets": [start, end]}
        start = end
    text = json.dumps(fields, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    return len(text).to_bytes(_LENGTH_BYTES, "little") + text


def _content(tensor: Tensor) -> memoryview:
    import torch

    return tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data
