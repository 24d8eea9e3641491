"""Which optimiser steps which weights, and how."""

import pytest
import torch
from torch import nn
from torch.optim import AdamW, Muon

from nas_search.proxies.data import Corpus
from nas_search.proxies.optimizers import layer_matrices, make_optimizers, set_rate
from nas_search.proxies.recipe import TrainingRecipe
from nas_search.proxies.trunk import Trunk
from nas_search.proxies.windows import TrainingWindows
from nas_search.space.architecture import Architecture
from nas_search.space.model import HybridLM
from nas_search.space.operators.registry import operator_types

MUON = {"optimizer": "muon", "muon_learning_rate": 1e-2, "muon_momentum": 0.8}


def muon_recipe(recipe: TrainingRecipe, **fields: object) -> TrainingRecipe:
    return TrainingRecipe.model_validate({**recipe.model_dump(), **MUON, **fields})


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_each_weight_belongs_to_one_optimiser(recipe: TrainingRecipe, optimizer: str) -> None:
    model = HybridLM(Architecture.parse(f"w64 untied meta=2 {' '.join(operator_types())}"))
    optimizers = make_optimizers(model, TrainingRecipe.model_validate({"optimizer": optimizer}))
    owned = [id(weight) for one in optimizers for group in one.param_groups for weight in group["params"]]
    assert sorted(owned) == sorted(id(weight) for weight in model.parameters())


def test_muon_has_the_matrices_of_layers_alone(architecture: Architecture, recipe: TrainingRecipe) -> None:
    model = HybridLM(architecture)
    muon, adamw = make_optimizers(model, muon_recipe(recipe))
    assert isinstance(muon, Muon)
    assert isinstance(adamw, AdamW)
    names = {weight: name for name, weight in model.named_parameters()}
    assert [names[weight] for weight in muon.param_groups[0]["params"]] == [
        "layers.0.mixer.qkv_proj.weight",
        "layers.0.mixer.out_proj.weight",
        "layers.1.mixer.gate_up_proj.weight",
        "layers.1.mixer.out_proj.weight",
        "layers.2.mixer.in_proj.weight",
        "layers.2.mixer.out_proj.weight",
    ]


def test_without_matrices_there_is_no_muon(architecture: Architecture, recipe: TrainingRecipe) -> None:
    model = HybridLM(architecture)
    model.layers = nn.ModuleList()
    assert [type(optimizer) for optimizer in make_optimizers(model, muon_recipe(recipe))] == [AdamW]


def test_by_default_muon_steps_at_the_rate_of_adamw(architecture: Architecture, recipe: TrainingRecipe) -> None:
    asked = muon_recipe(recipe, muon_learning_rate=None, muon_momentum=None)
    (group,) = make_optimizers(HybridLM(architecture), asked)[0].param_groups
    assert (group["lr"], group["momentum"]) == (5e-3, 0.95)


def test_rates_are_shares_of_each_full_rate(architecture: Architecture, recipe: TrainingRecipe) -> None:
    optimizers = make_optimizers(HybridLM(architecture), muon_recipe(recipe))
    for factor in (0.5, 0.25):
        set_rate(optimizers, factor)
        rates = [group["lr"] for optimizer in optimizers for group in optimizer.param_groups]
        assert rates == [1e-2 * factor, 5e-3 * factor, 5e-3 * factor]


def test_steps_are_those_of_a_plain_loop(architecture: Architecture, recipe: TrainingRecipe, corpus: Corpus) -> None:
    asked = muon_recipe(recipe, warmup_tokens=0, clip_norm=1e-2, weight_decay=0.0)
    windows = TrainingWindows(corpus.train, asked.sequence_length, asked.batch, seed=0)
    trunk, model = Trunk(architecture, asked, seed=0), HybridLM(architecture, seed=0)
    matrices = layer_matrices(model)
    ours = {id(matrix) for matrix in matrices}
    others = [weight for weight in model.parameters() if id(weight) not in ours]
    muon = Muon(matrices, lr=1e-2, weight_decay=0.0, momentum=0.8, adjust_lr_fn="match_rms_adamw")
    adamw = AdamW(others, lr=5e-3, betas=(0.9, 0.95), weight_decay=0.0, fused=True)
    for step in range(3):
        model.zero_grad()
        torch.autograd.backward(model.loss(torch.from_numpy(windows.batch(step))))
        nn.utils.clip_grad_norm_(model.parameters(), 1e-2)
        muon.step()
        adamw.step()
    trunk.train_to(3, windows, lambda _: None)
    for weight, expected in zip(trunk.model.parameters(), model.parameters(), strict=True):
        assert torch.equal(weight, expected)
