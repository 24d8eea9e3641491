"""A complete, buildable network specification, and what it costs in numbers."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, ValidationError, model_validator

from nas_search.errors import InputError, first_problem
from nas_search.space.notation import format_operators, parse_architecture, parse_operators
from nas_search.space.operators.base import OperatorSpec
from nas_search.yaml_text import parse_yaml

DType = Literal["float64", "float32", "bfloat16", "float16"]
DTYPE_BYTES: dict[DType, int] = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}
BYTE_VOCABULARY = 256


def _read_operators(value: Any) -> Any:
    """Operators may be given as notation, as a list of notations, or as specs."""
    if isinstance(value, str):
        return parse_operators(value)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return parse_operators(" ".join(value))
    return value


Operators = Annotated[
    tuple[OperatorSpec, ...], BeforeValidator(_read_operators), PlainSerializer(format_operators, return_type=str)
]


def fingerprint_of(notation: str) -> str:
    """The fingerprint of the architecture with this canonical notation."""
    return hashlib.sha256(notation.encode()).hexdigest()[:16]


class Architecture(BaseModel):
    """Width, operators in order, vocabulary, meta tokens and whether the head shares the embedding.

    Every operator stands in its own pre-norm residual layer. In YAML and JSON ``operators`` is the notation.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: int = Field(gt=0, le=1 << 20)
    operators: Operators = Field(min_length=1)
    vocabulary: int = Field(BYTE_VOCABULARY, gt=0, le=1 << 24)
    meta_tokens: int = Field(0, ge=0, le=1 << 16)
    tied_head: bool = True

    @model_validator(mode="after")
    def _operators_fit(self) -> Architecture:
        for index, operator in enumerate(self.operators):
            try:
                operator.check(self.width)
            except ValueError as error:
                raise ValueError(f"operator {index + 1} ({operator.notation}): {error}") from None
        return self

    @classmethod
    def parse(cls, text: str) -> Architecture:
        """From the one-line notation. Raises InputError, with the column where the text does not parse."""
        parsed = parse_architecture(text)
        fields: dict[str, Any] = {
            "width": parsed.width,
            "operators": tuple(parsed.operators),
            "vocabulary": parsed.vocabulary,
            "meta_tokens": parsed.meta_tokens,
            "tied_head": parsed.tied_head,
        }
        return cls.checked({name: value for name, value in fields.items() if value is not None}, f"'{text}'")

    @classmethod
    def checked(cls, fields: Any, where: str) -> Architecture:
        """Validate ``fields``; an InputError names ``where`` and the first thing that is wrong."""
        try:
            return cls.model_validate(fields)
        except InputError as error:  # from the notation, which pydantic lets through as it is
            raise InputError(f"architecture {where}: operators: {error}") from None
        except ValidationError as error:
            raise InputError(f"architecture {where}: {first_problem(error)}") from None

    @classmethod
    def from_yaml(cls, text: str, where: str = "YAML") -> Architecture:
        """From YAML or JSON text. Raises InputError that names ``where``."""
        return cls.checked(parse_yaml(text, f"architecture {where}"), where)

    def to_yaml(self) -> str:
        """As YAML that :meth:`from_yaml` reads."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, width=1000)

    @property
    def notation(self) -> str:
        """The canonical one-line notation; :meth:`parse` gives an equal architecture."""
        header = [f"w{self.width}"]
        if self.vocabulary != BYTE_VOCABULARY:
            header.append(f"vocab={self.vocabulary}")
        if self.meta_tokens:
            header.append(f"meta={self.meta_tokens}")
        if not self.tied_head:
            header.append("untied")
        return f"{' '.join(header)} {format_operators(self.operators)}"

    @property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that are equal exactly for architectures that build the same network."""
        return fingerprint_of(self.notation)

    @property
    def depth(self) -> int:
        """Number of operators, token mixers and FFNs alike."""
        return len(self.operators)

    @property
    def parameters(self) -> int:
        """Trainable numbers: embedding, meta tokens, operators with their norms, final norm, head."""
        tables = self.width * (self.vocabulary * (1 if self.tied_head else 2) + self.meta_tokens)
        kinds = Counter(self.operators)
        layers = sum(count * (operator.parameters(self.width) + self.width) for operator, count in kinds.items())
        return tables + layers + self.width

    def flops(self, context: int = 0) -> int:
        """Forward FLOPs of one token with ``context`` tokens before it, head included, embedding look-up not."""
        seen = context + self.meta_tokens
        return sum(operator.flops(self.width, seen) for operator in self.operators) + 2 * self.width * self.vocabulary

    def weight_bytes(self, dtype: DType = "float32") -> int:
        """Bytes of all weights."""
        return self.parameters * DTYPE_BYTES[dtype]

    def state_bytes(
        self, context: int, dtype: DType = "float32", batch: int = 1, state_dtype: DType | None = None
    ) -> int:
        """Bytes of KV caches and recurrent states after ``context`` tokens and the meta tokens.

        Recurrent memories have the format ``state_dtype``: without one that of the model, but float32 for half
        precision. Everything else is in the model's ``dtype``.
        """
        seen = context + self.meta_tokens
        memory = sum(operator.memory_elements(self.width) for operator in self.operators)
        cache = sum(operator.state_elements(self.width, seen) for operator in self.operators) - memory
        memory_bytes = DTYPE_BYTES[state_dtype] if state_dtype else max(DTYPE_BYTES[dtype], DTYPE_BYTES["float32"])
        return batch * (cache * DTYPE_BYTES[dtype] + memory * memory_bytes)

    def __str__(self) -> str:
        return self.notation
