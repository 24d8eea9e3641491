"""How much memory the training of a network takes, estimated without building it."""

from nas_search.proxies.recipe import VALIDATION_BATCH, TrainingRecipe
from nas_search.space.architecture import Architecture

FLOAT_BYTES = 4
WEIGHT_COPIES = 4
"""Weights, their gradients, and the two moments of AdamW."""
COLUMN_COPIES = 4
"""Numbers that are kept for the gradient, for each token and each column of an operator's projections. Counted in
PyTorch's graph it is 1.4 for an FFN, 1.7 for attention, 3 to 5 for the recurrences and up to 8 for RWKV-7."""
LOGIT_COPIES = 3
"""The logits, their softmax and their gradient."""


def training_bytes(architecture: Architecture, recipe: TrainingRecipe) -> int:
    """Bytes for weights, optimiser and activations of one training in float32: an estimate, good to a factor of 2.

    As many columns as an operator has weights for each channel of its input.
    """
    width = architecture.width
    columns = sum(operator.parameters(width) / width + width for operator in architecture.operators)
    inputs = recipe.batch * (recipe.sequence_length + architecture.meta_tokens)
    targets = recipe.sequence_length * max(recipe.batch, VALIDATION_BATCH)
    numbers = (
        WEIGHT_COPIES * architecture.parameters
        + COLUMN_COPIES * inputs * columns
        + LOGIT_COPIES * targets * architecture.vocabulary
    )
    return round(FLOAT_BYTES * numbers)
