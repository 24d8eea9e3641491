"""Number formats of a model that is measured."""

from __future__ import annotations

from typing import Literal, NamedTuple

DType = Literal["float32", "bfloat16", "float16"]


class Precision(NamedTuple):
    """Formats of weights and activations, of KV caches, and of recurrent memories.

    A figure belongs to all three: half as many bits are half as many bytes to read.
    """

    parameters: DType
    cache: DType
    state: DType

    @classmethod
    def of(cls, dtype: DType, state: DType = "float32") -> Precision:
        """Caches in the format of the weights."""
        return cls(dtype, dtype, state)

    def __str__(self) -> str:
        """``bfloat16``, or ``bfloat16,state=bfloat16`` where memories are not float32."""
        return self.parameters if self.state == "float32" else f"{self.parameters},state={self.state}"
