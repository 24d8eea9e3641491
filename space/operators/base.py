"""The contract of an operator's specification: what it is, what it costs, how it is built.

A spec is a small frozen value without torch. Sizes that are not given follow from the width, so that the same
operator sequence is meaningful at every width.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from inspect import isabstract
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, field_validator, model_validator
from pydantic_core import PydanticKnownError

if TYPE_CHECKING:
    from torch import Tensor

    from nas_search.space.kernels.registry import Operation, Phase
    from nas_search.space.operators.module import Mixer

MAX_SIZE = 1 << 20
"""No integer option of an operator is above the greatest width of a network."""


def default_head_dim(width: int) -> int:
    """Head size of an operator that names none: 128 as in Nemotron-Flash, smaller for narrow networks."""
    if width < 512:
        return 32
    return 64 if width < 1024 else 128


def default_kv_heads(heads: int) -> int:
    """Largest divisor of ``heads`` that is at most a quarter of it: Nemotron-Flash's group size of 4."""
    return max(n for n in range(1, max(1, heads // 4) + 1) if heads % n == 0)


class OperatorSpec(BaseModel, ABC):
    """One operator: a token mixer or an FFN. The pre-norm and the residual belong to the layer around it.

    Every method takes the width of the network, since a spec does not know where it stands. ``check`` raises
    ValueError for a width that the operator cannot have; the other methods assume a checked width.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, allow_inf_nan=False)

    code: ClassVar[str]
    title: ClassVar[str]
    mixes_tokens: ClassVar[bool] = True

    @model_validator(mode="before")
    @classmethod
    def _is_an_operator(cls, value: Any) -> Any:
        if isabstract(cls) and not isinstance(value, cls):
            raise ValueError("an operator is written as in the notation, such as a[heads=4]")
        return value

    @field_validator("*")
    @classmethod
    def _is_not_absurd(cls, value: Any) -> Any:
        if isinstance(value, int) and value > MAX_SIZE:
            raise PydanticKnownError("less_than_equal", {"le": MAX_SIZE})
        return value

    @classmethod
    def option_names(cls) -> list[str]:
        """The options as the notation writes them."""
        return [field.alias or name for name, field in cls.model_fields.items()]

    @property
    def notation(self) -> str:
        """The code with the options that differ from their defaults, e.g. ``a[heads=16,kv=4]``."""
        options = self.model_dump(by_alias=True, exclude_defaults=True)
        if not options:
            return self.code
        return f"{self.code}[{','.join(f'{name}={_option(value)}' for name, value in options.items())}]"

    def resolved(self, width: int) -> Self:
        """The same operator with every size written out that follows from the width; by default itself."""
        return self

    @abstractmethod
    def check(self, width: int) -> None:
        """Raise ValueError, naming field, value and rule, if the operator cannot have this width."""

    @abstractmethod
    def parameters(self, width: int) -> int:
        """Trainable numbers, without the pre-norm of the layer."""

    @abstractmethod
    def flops(self, width: int, context: int) -> int:
        """Forward FLOPs of one token that has ``context`` tokens before it.

        Two for each multiply-add of projections, convolutions, mixing, state update and read-out; norms,
        activations and element-wise gates are not counted.
        """

    @abstractmethod
    def state_elements(self, width: int, context: int) -> int:
        """Numbers kept for one sequence after ``context`` tokens: KV cache or recurrent and convolution state."""

    def memory_elements(self, width: int) -> int:
        """How many of them are recurrent memory, which has a number format of its own; none by default."""
        return 0

    @abstractmethod
    def build(self, width: int) -> Mixer:
        """The torch module, with fresh weights. Imports torch."""

    @abstractmethod
    def reference(self) -> Callable[[Any, Tensor], Tensor]:
        """A plain recurrence ``(module, x [B, T, C]) -> [B, T, C]`` that is obviously right. Imports torch."""

    def operations(self) -> Mapping[Phase, tuple[Operation, ...]]:
        """What may have faster kernels than plain PyTorch, by phase; nothing by default. Imports torch."""
        return {}


def _option(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def check_divides(field: str, value: int, width: int) -> None:
    """Raise ValueError unless ``value`` divides ``width``."""
    if width % value:
        raise ValueError(f"{field}={value} does not divide the width {width}")
