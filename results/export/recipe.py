"""``recipe``: a training at full length, as ``nas-search train`` runs it."""

from __future__ import annotations

from pathlib import Path

from nas_search.files import write_text_atomic
from nas_search.proxies.recipe import TrainingRecipe
from nas_search.proxies.text_sources import EMBEDDED
from nas_search.proxies.tokenizer import BYTES, LARGEST_BPE, SMALLEST_BPE
from nas_search.proxies.training_plan import RECIPE_FILE, TrainingPlan
from nas_search.results.export.base import ExportSource
from nas_search.space.architecture import BYTE_VOCABULARY, Architecture

TOKENS_PER_PARAMETER = 20
"""Where a given compute trains to the lowest loss (Hoffmann et al. 2022, "Training Compute-Optimal Large Language
Models")."""

_TEXT = """\
# Trains this network at full length, with the trainer that the search ranked networks with:
#
#     nas-search train {file} --out trained
#
# tokens: {per_parameter} for each parameter; --tokens gives another number.
# Schedule: the rate rises over warmup_tokens, stays at learning_rate, and falls linearly to zero over the last
# decay_share of the tokens. Gradients are clipped to clip_norm, weight decay is on matrices only. The optimiser is
# AdamW; optimizer: muon takes Muon for matrices of layers, weight_norm: true keeps their vectors at unit norm.
# A step reads batch windows of sequence_length tokens. Small batches rank small networks well; a large network on a
# GPU wants larger ones.
# data: embedded, or a UTF-8 file, a folder, .jsonl or .parquet. tokenizer: bytes or bpe:SIZE.
# corpus: the hash of the search's tokens; with other text losses do not compare.
{plan}"""


class RecipeExporter:
    """Tokens, text, schedule and optimiser in one file that trains."""

    name = "recipe"
    about = "a training at full length, for nas-search train"

    def misfit(self, architecture: Architecture) -> str | None:
        """A reason for a vocabulary that no tokenizer of ours has."""
        if BYTE_VOCABULARY <= architecture.vocabulary <= LARGEST_BPE:
            return None
        return (
            f"a vocabulary of {architecture.vocabulary} is that of no tokenizer here: bytes have {BYTE_VOCABULARY} "
            f"tokens, and bpe:N at most {LARGEST_BPE}"
        )

    def write(self, source: ExportSource, folder: Path) -> None:
        """Write ``recipe.yaml``."""
        plan = full_length(source)
        text = _TEXT.format(file=RECIPE_FILE, per_parameter=TOKENS_PER_PARAMETER, plan=plan.to_yaml())
        write_text_atomic(folder / RECIPE_FILE, text)


def full_length(source: ExportSource) -> TrainingPlan:
    """The training of a network; on the search's text, if it is from a search."""
    return TrainingPlan(
        architecture=source.architecture,
        data=source.data or EMBEDDED,
        tokenizer=source.tokenizer_name or _tokenizer(source.architecture),
        corpus=source.corpus,
        tokens=TOKENS_PER_PARAMETER * source.architecture.parameters,
        recipe=source.recipe or TrainingRecipe.model_validate({}),
    )


def _tokenizer(architecture: Architecture) -> str:
    """One with as many tokens as the vocabulary, if the text is long enough for it."""
    size = architecture.vocabulary
    return BYTES if size == BYTE_VOCABULARY else f"bpe:{max(size, SMALLEST_BPE)}"
