"""One search that was replayed from a table."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Replayed(BaseModel):
    """What one seed of one sampler came to.

    ``rows`` of the table in the order in which their losses became known; without our engine they may repeat.
    ``thinking`` are the real seconds that each proposal took (duplicates are proposals too), ``seconds`` is the virtual
    time of the search, None where none passed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: tuple[int, ...]
    thinking: tuple[float, ...]
    seconds: float | None
