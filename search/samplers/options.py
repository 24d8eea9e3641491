"""Options of the samplers that have any."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class SamplerOptions(BaseModel):
    """None stands for a sampler's default.

    For evolution: ``population`` (also for nsga2), ``sample_size`` of a tournament, trials of a ``cycle`` in which
    the population stays as it is, the share ``crossover`` of children with two parents, and the children of which
    the most promising one is proposed, ``screened``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    population: int | None = Field(None, ge=2, le=100_000)
    sample_size: int | None = Field(None, ge=1, le=100_000)
    cycle: int | None = Field(None, ge=1, le=100_000)
    crossover: float | None = Field(None, ge=0, le=1)
    screened: int | None = Field(None, ge=1, le=10_000)

    @property
    def given(self) -> dict[str, Any]:
        """Those that are not left to the sampler."""
        return {name: value for name, value in self if value is not None}
