"""The fields of a search space as YAML gives them, checked."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, field_validator, model_validator

from nas_search.errors import InputError
from nas_search.space.blocks import ratio_counts
from nas_search.space.genome import BETWEEN, NO_INTERLEAVE, Choice, FfnPolicy
from nas_search.space.notation import parse_operator
from nas_search.space.operators.base import OperatorSpec

Count = Annotated[int, Field(strict=True, ge=1, le=1 << 20)]
StageName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
MAX_FFNS = 8


def _ffn_policy(value: object) -> FfnPolicy:
    if value == BETWEEN:
        return BETWEEN
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_FFNS:
        return value
    raise ValueError(f"{value!r} is neither a number of FFNs from 0 to {MAX_FFNS} nor {BETWEEN}")


FfnChoice = Annotated[FfnPolicy, PlainValidator(_ffn_policy)]


class SpaceDefinition(BaseModel):
    """What a search space allows.

    A stage repeats one block 0 to ``max_repeats`` times. A block has two kinds out of ``mixers`` in one of the
    ``ratios``, and ``ffns`` FFNs after each mixer (``between``: one after each but the last). ``interleave``
    lists ``none`` and pairs of neighbouring stages, such as ``early-middle``, whose blocks may alternate.
    ``width: derived`` means the largest of ``widths`` that meets the latency target, as in Nemotron-Flash.
    A ``vocabulary`` of None stands for bytes until the data say otherwise.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    stages: tuple[StageName, ...] = Field(("early", "middle", "late"), min_length=1, max_length=8)
    mixers: tuple[str, ...] = Field(min_length=1)
    ffn: str = "f"
    ratios: tuple[str, ...] = Field(min_length=1)
    ffns: tuple[FfnChoice, ...] = Field(min_length=1)
    max_repeats: Annotated[int, Field(strict=True, ge=1, le=512)]
    interleave: tuple[str, ...] = Field((NO_INTERLEAVE,), min_length=1)
    widths: tuple[Count, ...] = Field(min_length=1)
    width: Literal["gene", "derived"] = "gene"
    max_operators: Annotated[int, Field(strict=True, ge=1, le=512)]
    vocabulary: Count | None = None
    meta_tokens: Annotated[int, Field(strict=True, ge=0, le=1 << 16)] = 0
    tied_head: bool = True

    @field_validator("mixers")
    @classmethod
    def _mixers_mix(cls, mixers: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_read_operator(mixer, mixes_tokens=True) for mixer in mixers)

    @field_validator("ffn")
    @classmethod
    def _ffn_does_not_mix(cls, ffn: str) -> str:
        return _read_operator(ffn, mixes_tokens=False)

    @field_validator("ratios", mode="before")
    @classmethod
    def _ratios_are_quoted(cls, ratios: object) -> object:
        """YAML 1.1 reads an unquoted 1:2 as the number 62."""
        for ratio in ratios if isinstance(ratios, list | tuple) else ():
            if isinstance(ratio, int):
                raise ValueError(f'{ratio} is not a ratio; write ratios in quotes, such as "1:2"')
        return ratios

    @field_validator("ratios")
    @classmethod
    def _ratios_are_ratios(cls, ratios: tuple[str, ...]) -> tuple[str, ...]:
        for ratio in ratios:
            ratio_counts(ratio)
        return ratios

    @field_validator("stages", "mixers", "ratios", "ffns", "interleave", "widths")
    @classmethod
    def _choices_differ(cls, choices: tuple[Choice, ...]) -> tuple[Choice, ...]:
        for choice in choices:
            if choices.count(choice) > 1:
                raise ValueError(f"{choice} is listed twice")
        return choices

    @model_validator(mode="after")
    def _pairs_are_neighbours(self) -> SpaceDefinition:
        allowed = [NO_INTERLEAVE, *self.stage_pairs()]
        for choice in self.interleave:
            if choice not in allowed:
                raise ValueError(f"interleave: '{choice}' is not one of {', '.join(allowed)}")
        return self

    @model_validator(mode="after")
    def _blocks_fit(self) -> SpaceDefinition:
        ratio = max(self.ratios, key=lambda text: sum(ratio_counts(text)))
        mixers = sum(ratio_counts(ratio))
        longest = max(2 * mixers - 1 if ffn == BETWEEN else mixers * (1 + ffn) for ffn in self.ffns)
        if longest > self.max_operators:
            raise ValueError(
                f"max_operators: {self.max_operators} is less than the {longest} operators of the longest block "
                f"(ratio {ratio})"
            )
        return self

    @model_validator(mode="after")
    def _operators_have_widths(self) -> SpaceDefinition:
        for spec in self.operator_specs():
            for width in self.widths:
                try:
                    spec.check(width)
                except ValueError as error:
                    raise ValueError(f"widths: {width} does not suit {spec.notation}: {error}") from None
        return self

    def stage_pairs(self) -> tuple[str, ...]:
        """Names of all pairs of neighbouring stages; the index of a pair is that of its first stage."""
        return tuple(f"{one}-{other}" for one, other in zip(self.stages, self.stages[1:], strict=False))

    def operator_specs(self) -> tuple[OperatorSpec, ...]:
        """Every operator that a member of the space can have; the FFN only if some member has one."""
        with_ffn = any(ffn != 0 for ffn in self.ffns)
        return tuple(parse_operator(text) for text in (*self.mixers, *([self.ffn] if with_ffn else [])))


def _read_operator(text: str, *, mixes_tokens: bool) -> str:
    """The canonical notation of an operator. Raises ValueError if it is none, or of the wrong kind."""
    try:
        spec = parse_operator(text)
    except InputError as error:
        raise ValueError(str(error)) from None
    if spec.mixes_tokens is not mixes_tokens:
        raise ValueError(f"{spec.notation} ({spec.title}) is {'no ' if mixes_tokens else 'a '}token mixer")
    return spec.notation
