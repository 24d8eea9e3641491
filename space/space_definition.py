"""The fields of a search space as YAML gives them, checked."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from nas_search.errors import InputError
from nas_search.space.blocks import block_length, ratio_counts
from nas_search.space.genome import BETWEEN, NO_INTERLEAVE, Choice, FfnPolicy
from nas_search.space.notation import parse_operator
from nas_search.space.operators.base import OperatorSpec
from nas_search.space.options import FIELD, Options, StageOption, read_options, write_options
from nas_search.space.variants import Variants, count_variants, operator_variants

Count = Annotated[int, Field(strict=True, ge=1, le=1 << 20)]
StageName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
MAX_FFNS = 8
# Each is timed at every width for a latency table.
MAX_OPERATOR_SPECS = 4096


def _ffn_policy(value: object) -> FfnPolicy:
    if value == BETWEEN:
        return BETWEEN
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_FFNS:
        return value
    raise ValueError(f"{value!r} is neither a number of FFNs from 0 to {MAX_FFNS} nor {BETWEEN}")


FfnChoice = Annotated[FfnPolicy, PlainValidator(_ffn_policy)]
StageOptions = Annotated[tuple[StageOption, ...], PlainSerializer(write_options)]


class SpaceDefinition(BaseModel):
    """What a search space allows.

    A stage repeats one block 0 to ``max_repeats`` times. A block has two kinds out of ``mixers`` in one of the
    ``ratios``, and ``ffns`` FFNs after each mixer (``between``: one after each but the last). ``interleave``
    lists ``none`` and pairs of neighbouring stages, such as ``early-middle``, whose blocks may alternate. ``options``
    are what every stage chooses for its operators, in a file ``{a: {heads: [4, 8]}, f: {ratio: [2, 3]}}``.
    ``width: derived`` means the largest of ``widths`` that meets the latency target, as in Nemotron-Flash.
    A ``vocabulary`` of None stands for bytes until the data say otherwise.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    stages: tuple[StageName, ...] = Field(("early", "middle", "late"), min_length=1, max_length=8)
    options: StageOptions = ()  # before the operators, whose notation must leave them open
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

    @model_validator(mode="before")
    @classmethod
    def _options_are_read(cls, fields: object) -> object:
        """Not by a validator of the field, so that a message begins with the whole path."""
        if isinstance(fields, dict) and FIELD in fields:
            return {**fields, FIELD: read_options(fields[FIELD])}
        return fields

    @field_validator("mixers")
    @classmethod
    def _mixers_mix(cls, mixers: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        return tuple(_read_operator(mixer, info.data[FIELD], mixes_tokens=True) for mixer in mixers)

    @field_validator("ffn")
    @classmethod
    def _ffn_does_not_mix(cls, ffn: str, info: ValidationInfo) -> str:
        return _read_operator(ffn, info.data[FIELD], mixes_tokens=False)

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
        longest = max(block_length(ratio, ffn) for ffn in self.ffns)
        if longest > self.max_operators:
            raise ValueError(
                f"max_operators: {self.max_operators} is less than the {longest} operators of the longest block "
                f"(ratio {ratio})"
            )
        return self

    @model_validator(mode="after")
    def _options_have_operators(self) -> SpaceDefinition:
        codes = {parse_operator(base).code for base in self._bases()}
        for option in self.options:
            if option.code not in codes:
                raise ValueError(f"{option.path}: no member has '{option.code}' (there are {', '.join(sorted(codes))})")
        return self

    @model_validator(mode="after")
    def _operators_can_be_timed(self) -> SpaceDefinition:
        count = count_variants(self._bases(), self.options)
        if count > MAX_OPERATOR_SPECS:
            raise ValueError(
                f"{FIELD}: they make {count} different operators, over {MAX_OPERATOR_SPECS}; "
                f"each has to be timed at every width"
            )
        return self

    @model_validator(mode="after")
    def _operators_have_widths(self) -> SpaceDefinition:
        chosen = {option.code for option in self.options}
        for spec in self.operator_specs():
            problems = {width: problem for width in self.widths if (problem := _problem(spec, width))}
            for width, problem in problems.items():
                if spec.code in chosen and len(problems) == len(self.widths):
                    raise ValueError(f"{FIELD}.{spec.code}: {spec.notation} suits no width (at {width}: {problem})")
                raise ValueError(f"widths: {width} does not suit {spec.notation}: {problem}")
        return self

    @model_serializer(mode="wrap")
    def _written(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A space without options is written, and so hashed, as if there were no such field."""
        fields: dict[str, Any] = write(self)
        return fields if self.options else {name: value for name, value in fields.items() if name != FIELD}

    def stage_pairs(self) -> tuple[str, ...]:
        """Names of all pairs of neighbouring stages; the index of a pair is that of its first stage."""
        return tuple(f"{one}-{other}" for one, other in zip(self.stages, self.stages[1:], strict=False))

    def operator_specs(self) -> tuple[OperatorSpec, ...]:
        """Every operator that a member can have, with all choices of options; the FFN only if some member has one."""
        return tuple(self._variants().specs.values())

    def _variants(self) -> Variants:
        return operator_variants(self._bases(), self.options)

    def _bases(self) -> tuple[str, ...]:
        """The operators as listed, without the options that stages choose."""
        return (*self.mixers, self.ffn) if any(ffn != 0 for ffn in self.ffns) else self.mixers


def _problem(spec: OperatorSpec, width: int) -> str | None:
    """Why the operator cannot have this width; None if it can."""
    try:
        spec.check(width)
    except ValueError as error:
        return str(error)
    return None


def _read_operator(text: str, options: Options, *, mixes_tokens: bool) -> str:
    """The canonical notation of an operator.

    Raises ValueError if it is none, or of the wrong kind, or says what ``options`` let stages choose.
    """
    try:
        spec = parse_operator(text)
    except InputError as error:
        raise ValueError(str(error)) from None
    if spec.mixes_tokens is not mixes_tokens:
        raise ValueError(f"{spec.notation} ({spec.title}) is {'no ' if mixes_tokens else 'a '}token mixer")
    said = spec.model_dump(by_alias=True, exclude_unset=True)
    for option in options:
        if option.code == spec.code and option.name in said:
            raise ValueError(f"{text} says {option.name}, and {option.path} lets stages choose it; leave one out")
    return spec.notation
