"""Options of the samplers that have any."""

from pydantic import BaseModel, ConfigDict, Field


class SamplerOptions(BaseModel):
    """``population`` is for evolution and nsga2, ``sample_size`` (tournament) for evolution; None: its default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    population: int | None = Field(None, ge=2, le=100_000)
    sample_size: int | None = Field(None, ge=1, le=100_000)
