"""The optimisers of a recipe: AdamW for all weights, or Muon for the matrices of the layers and AdamW for the rest.

Muon (Jordan et al. 2024) takes the momentum of a matrix to the nearest orthogonal matrix, by a few Newton-Schulz
iterations. Its updates are scaled to the size of AdamW's (Liu et al. 2025, "Muon is Scalable for LLM Training"), so
that rates and weight decay tuned for AdamW suit it.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.optim import AdamW, Muon, Optimizer

from nas_search.proxies.recipe import MUON_MOMENTUM, TrainingRecipe
from nas_search.space.model import HybridLM

PEAK = "initial_lr"
"""What PyTorch's schedulers too call the rate that a schedule's factors are of."""


def make_optimizers(model: HybridLM, recipe: TrainingRecipe) -> tuple[Optimizer, ...]:
    """Those that ``recipe`` asks for; each weight of ``model`` belongs to one."""
    matrices = layer_matrices(model) if recipe.optimizer == "muon" else []
    others = set(model.parameters()).difference(matrices)
    adamw = _adamw([weight for weight in model.parameters() if weight in others], recipe)
    return (_muon(matrices, recipe), adamw) if matrices else (adamw,)


def layer_matrices(model: HybridLM) -> list[Tensor]:
    """Weights of linear layers within the operators: no embedding, head, meta tokens, convolutions or vectors."""
    return [module.weight for module in model.layers.modules() if isinstance(module, nn.Linear)]


def set_rate(optimizers: Sequence[Optimizer], factor: float) -> None:
    """Have each group of weights step at this share of its own full rate."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group[PEAK] * factor


def _adamw(weights: Sequence[Tensor], recipe: TrainingRecipe) -> AdamW:
    """AdamW that decays matrices only; vectors (norms, biases, decay rates) keep their scale."""
    groups = [
        {"params": [weight for weight in weights if weight.ndim == 2], "weight_decay": recipe.weight_decay},
        {"params": [weight for weight in weights if weight.ndim != 2], "weight_decay": 0.0},
    ]
    return AdamW(
        [{**group, PEAK: recipe.learning_rate} for group in groups if group["params"]],
        lr=recipe.learning_rate,
        betas=(recipe.beta1, recipe.beta2),
        fused=True,
    )


def _muon(matrices: Sequence[Tensor], recipe: TrainingRecipe) -> Muon:
    rate = recipe.learning_rate if recipe.muon_learning_rate is None else recipe.muon_learning_rate
    return Muon(
        [{"params": list(matrices), PEAK: rate}],
        lr=rate,
        weight_decay=recipe.weight_decay,
        momentum=MUON_MOMENTUM if recipe.muon_momentum is None else recipe.muon_momentum,
        adjust_lr_fn="match_rms_adamw",
    )
