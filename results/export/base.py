"""What an exporter is given, and what every format has to offer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from nas_search.space.architecture import Architecture

if TYPE_CHECKING:
    from nas_search.proxies.recipe import TrainingRecipe
    from nas_search.proxies.tokenizer import Tokenizer
    from nas_search.space.model import HybridLM


@dataclass(frozen=True)
class ExportSource:
    """A network to be exported.

    ``origin`` says in a few words where it is from: ``trial 17 of runs/x``, or a notation. ``model`` is None where no
    weights are wanted; ``trained`` says whether its weights are those of a search or a training. ``tokenizer`` is None
    where the tokens have no known meaning. ``figures`` are confirmed ones, as rows of a card: a name and a value with
    its unit, its n and its interval. ``notes`` are sentences that belong beside the weights: that they are fresh and
    why, that a run is unfinished. ``data`` and ``corpus`` are the text that ``recipe`` was used on and its hash.
    """

    architecture: Architecture
    origin: str
    model: HybridLM | None = None
    trained: bool = False
    tokenizer: Tokenizer | None = None
    tokenizer_name: str | None = None
    figures: tuple[tuple[str, str], ...] = ()
    recipe: TrainingRecipe | None = None
    data: str | None = None
    corpus: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def dtype(self) -> str:
        """The number format of the weights, as transformers calls it; float32 without any."""
        return "float32" if self.model is None else str(self.model.embedding.dtype).removeprefix("torch.")

    @property
    def weights(self) -> str:
        """``trained``, ``fresh`` or ``none``."""
        if self.model is None:
            return "none"
        return "trained" if self.trained else "fresh"


class Exporter(Protocol):
    """A format."""

    @property
    def name(self) -> str:
        """What it is called on the command line."""

    @property
    def about(self) -> str:
        """What it gives, in a few words."""

    def misfit(self, architecture: Architecture) -> str | None:
        """Why an architecture cannot be expressed, naming the operator if it is one; None if it can.

        Imports neither torch nor the library that the format is for.
        """

    def write(self, source: ExportSource, folder: Path) -> None:
        """Fill an empty folder.

        Raises InputError if the source lacks what the format needs; OSError when the disk is full.
        """
