"""The estimate of training memory, against what PyTorch really keeps."""

import pytest
import torch
from torch import Tensor

from nas_search.proxies.recipe import TrainingRecipe
from nas_search.proxies.training_memory import FLOAT_BYTES, training_bytes
from nas_search.space.architecture import Architecture
from nas_search.space.model import HybridLM
from nas_search.space.operators.registry import operator_types

RECIPE = TrainingRecipe(sequence_length=128, batch=2)


def kept_bytes(architecture: Architecture) -> int:
    """Bytes of everything that PyTorch keeps for the backward pass of one batch, weights left out."""
    model = HybridLM(architecture)
    weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        if tensor.untyped_storage().data_ptr() not in weights:
            kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    tokens = torch.randint(0, architecture.vocabulary, (RECIPE.batch, RECIPE.sequence_length + 1))
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model.loss(tokens)
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


@pytest.mark.parametrize("code", operator_types())
def test_activations_of_an_operator_are_within_three_times(code: str) -> None:
    one, three = (Architecture.parse(f"w128 ({code})x{count}") for count in (1, 3))
    kept = kept_bytes(three) - kept_bytes(one)
    weights = 4 * FLOAT_BYTES * (three.parameters - one.parameters)
    estimated = training_bytes(three, RECIPE) - training_bytes(one, RECIPE) - weights
    assert 1 / 3 < estimated / kept < 3


def test_weights_count_four_times() -> None:
    small = RECIPE.model_copy(update={"sequence_length": 8, "batch": 1})
    architecture = Architecture.parse("w512 (f)x8")
    assert 4 < training_bytes(architecture, small) / architecture.weight_bytes("float32") < 4.5


def test_a_large_vocabulary_counts_by_its_logits() -> None:
    small, large = (Architecture.parse(f"w64 vocab={words} f") for words in (1000, 101_000))
    more = training_bytes(large, RECIPE) - training_bytes(small, RECIPE)
    logits = FLOAT_BYTES * 16 * RECIPE.sequence_length * 100_000
    assert more > logits
