"""The options of a search whose depth and width come first, by a scaling law (Nemotron-Flash, section 3.1)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

_Counts = Annotated[tuple[Annotated[int, Field(ge=1, le=1 << 20)], ...], Field(min_length=1)]
_OF_THE_GRID = ("repeats", "widths", "tokens")


class TwoStage(BaseModel):
    """The law is that of networks which repeat one ``block`` (default: the space's first mixer and its FFN).

    ``law`` is what 'law fit' wrote, or what it takes: a table of losses, a run. Without it the search trains the block
    itself, ``repeats`` times at ``widths`` (default: up to four of each, as the space has them), for ``tokens``
    (default: those of the rung below the top).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    law: Path | None = None
    block: str | None = None
    repeats: _Counts | None = None
    widths: _Counts | None = None
    tokens: int | None = Field(None, ge=1)

    @model_validator(mode="after")
    def _trains_or_reads(self) -> Self:
        for name in _OF_THE_GRID:
            if self.law is not None and getattr(self, name) is not None:
                raise ValueError(f"{name}: of networks that are trained for a law; with law {self.law} there are none")
        return self

    def resolved(self) -> TwoStage:
        """With the full path of its file."""
        return self.model_copy(update={"law": None if self.law is None else self.law.absolute()})
