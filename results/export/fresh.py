"""Networks whose weights nobody trained."""

from __future__ import annotations

from dataclasses import replace

from nas_search.errors import RunError
from nas_search.proxies.tokenizer import BYTES
from nas_search.results.export.base import ExportSource
from nas_search.space.architecture import BYTE_VOCABULARY, Architecture


def with_fresh_weights(source: ExportSource, why: str) -> ExportSource:
    """With the weights that training would begin from, and a note that says so and ``why``.

    Raises RunError if there is no memory for them.
    """
    from nas_search.proxies.short_training import out_of_memory_reason
    from nas_search.space.model import HybridLM

    try:
        model = HybridLM(source.architecture).eval().requires_grad_(False)
    except (MemoryError, RuntimeError) as error:
        raise RunError(f"fresh weights of {source.architecture.notation}: {out_of_memory_reason(error)}") from None
    note = f"The weights are fresh, from seed 0: {why}."
    return replace(source, model=model, notes=(*source.notes, note))


def usual_tokenizer(architecture: Architecture) -> str | None:
    """What tokens most likely mean where no text was ever read: bytes, if there are as many."""
    return BYTES if architecture.vocabulary == BYTE_VOCABULARY else None
