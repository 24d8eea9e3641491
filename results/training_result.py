"""What a training at full length gave, as a file and as rows of a card."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nas_search.proxies.corpus_size import repeats
from nas_search.proxies.training_plan import MOST_TOKENS
from nas_search.results import figures

RESULT_FILE = "result.json"


class TrainingResult(BaseModel):
    """The loss in bits per byte on held-out ``windows``, and what it was trained on.

    ``low`` and ``high`` are the 95 % interval of the mean over windows, None if there is only one: how much other
    held-out text would change the figure, not how much another seed would. ``tokens`` are ``asked_tokens`` rounded to
    whole steps, ``train_tokens`` those of the text, None if nobody noted it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    architecture: str
    parameters: int
    asked_tokens: int
    tokens: int = Field(ge=1, le=MOST_TOKENS)
    data: str
    tokenizer: str
    corpus: str
    train_tokens: int | None = Field(None, ge=1, le=MOST_TOKENS)
    seed: int
    bits_per_byte: float
    low: float | None
    high: float | None
    windows: int
    validation_tokens: int = Field(ge=1, le=MOST_TOKENS)
    device: str

    @property
    def loss(self) -> str:
        """The loss with all that it takes to judge it."""
        spread = ""
        if self.low is not None and self.high is not None:
            spread = f"95 % interval over windows {figures.bits(self.low)} to {figures.bits(self.high)}, "
        return (
            f"{figures.bits(self.bits_per_byte)} ({spread}n = {self.windows} held-out windows with "
            f"{self.validation_tokens:,} tokens, one seed)"
        )

    @property
    def rows(self) -> tuple[tuple[str, str], ...]:
        """Rows of a card: a name and a value."""
        said = repeats(self.tokens, self.train_tokens)
        return (
            ("bits per byte", self.loss),
            ("trained on", f"{self.tokens:,} tokens of '{self.data}' ({self.tokenizer}), corpus {self.corpus}"),
            *(() if said is None else (("epochs", said),)),
            ("seed", str(self.seed)),
            ("device", self.device),
            ("parameters", f"{self.parameters:,}"),
        )


def read_result(folder: Path) -> TrainingResult | None:
    """The result in a trained network's folder; None if there is none, or a damaged one."""
    try:
        return TrainingResult.model_validate_json((folder / RESULT_FILE).read_bytes())
    except (OSError, ValidationError):
        return None
