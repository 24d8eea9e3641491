"""Weights in one safetensors file, which both graphs read as external data of ONNX."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from nas_search.results.winner_files import WEIGHTS_FILE

if TYPE_CHECKING:
    import onnx

    from nas_search.space.model import HybridLM


def weights_file(network: HybridLM) -> bytes:
    """A safetensors file with the parameters under their names."""
    from safetensors.torch import save

    return save({name: weight.detach().cpu().contiguous() for name, weight in network.named_parameters()})


def initializers(file: bytes) -> list[onnx.TensorProto]:
    """What is in a safetensors file of float32 numbers, as ONNX refers to it: by offset and length."""
    from onnx import TensorProto, external_data_helper

    # The file begins with the length of its header in 8 bytes; offsets count from the header's end.
    start = 8 + int.from_bytes(file[:8], "little")
    tensors = []
    for name, entry in json.loads(file[8:start]).items():
        begin, end = entry["data_offsets"]
        tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=entry["shape"], raw_data=b"")
        external_data_helper.set_external_data(tensor, WEIGHTS_FILE, offset=start + begin, length=end - begin)
        tensor.ClearField("raw_data")
        tensors.append(tensor)
    return tensors
