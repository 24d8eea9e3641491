"""Scores of networks that are not trained at all: baselines that short training must beat. More promises a lower loss.

They were made for image classifiers. Here the input of a network is what its embedding gives, since tokens have no
gradient, and the loss is that of the next token.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from nas_search.errors import InputError
from nas_search.proxies.agreement import PARAMETERS, Proxy
from nas_search.proxies.data import Corpus
from nas_search.proxies.windows import TrainingWindows, Windows
from nas_search.space.architecture import Architecture
from nas_search.space.model import HybridLM
from nas_search.space.operators.rms_norm import RMSNorm, root_mean_square

FLOPS = "FLOPs"
GRADIENT_NORM, SNIP, SYNFLOW = "gradient norm", "SNIP", "SynFlow"
JACOBIAN_COVARIANCE = "Jacobian covariance"
BATCH, LENGTH = 16, 64
"""Windows of one batch, and their tokens."""
_SMALL = 1e-5

Progress = Callable[[int, int], None]


def zero_cost_proxies(
    architectures: Sequence[Architecture],
    corpus: Corpus,
    *,
    seed: int = 0,
    progress: Progress = lambda done, total: None,
) -> tuple[Proxy, ...]:
    """All scores but the number of parameters, of each architecture on the first batch of ``corpus`` by ``seed``.

    ``progress`` is called after each with how many are done, and of how many. Raises InputError for an architecture
    with fewer tokens than the corpus.
    """
    windows = TrainingWindows(corpus.train, LENGTH, BATCH, seed).batch(0)
    rows = []
    for done, architecture in enumerate(architectures, start=1):
        rows.append(zero_cost_scores(architecture, windows, seeds=(seed,)))
        progress(done, len(architectures))
    names = [name for name in (FLOPS, GRADIENT_NORM, SNIP, SYNFLOW, JACOBIAN_COVARIANCE) if rows]
    return tuple(Proxy(name, -np.array([row[name] for row in rows])) for name in names)


def zero_cost_scores(architecture: Architecture, windows: Windows, *, seeds: Sequence[int] = (0,)) -> dict[str, float]:
    """All scores by name for a batch of ``windows`` [batch, tokens + 1]; means over fresh weights of each seed.

    Raises InputError if the architecture does not know a token.
    """
    if windows.max() >= architecture.vocabulary:
        raise InputError(
            f"architecture {architecture.notation}: a vocabulary of {architecture.vocabulary} is too small for token "
            f"{windows.max()}"
        )
    tokens = torch.from_numpy(windows)
    length = tokens.shape[1] - 1
    rows = [_scores_of(HybridLM(architecture, seed=seed), tokens) for seed in seeds]
    counted = {PARAMETERS: float(architecture.parameters), FLOPS: float(architecture.flops(length // 2))}
    return counted | {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def gradients(model: HybridLM, tokens: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Each weight with its gradient of the loss of tokens [B, T + 1]."""
    weights = list(model.parameters())
    found = torch.autograd.grad(model.loss(tokens), weights, allow_unused=True)
    return [(weight.detach(), grad) for weight, grad in zip(weights, found, strict=True) if grad is not None]


def gradient_norm(pairs: Sequence[tuple[Tensor, Tensor]]) -> float:
    """Euclidean norm of the gradient of all weights (baseline of Abdelfattah et al. 2021)."""
    return float(torch.linalg.vector_norm(torch.cat([grad.flatten() for _, grad in pairs])))


def snip(pairs: Sequence[tuple[Tensor, Tensor]]) -> float:
    """The sum of |weight x gradient| over all weights (Lee, Ajanthan and Torr 2019).

    It is how much the loss would change, to first order, if each of them were removed.
    """
    return float(sum((weight * grad).abs().sum() for weight, grad in pairs))


def synflow(model: HybridLM, length: int = LENGTH) -> float:
    """The sum of |weight x gradient| of the sum of all logits, for weights made positive (Tanaka et al. 2020).

    It needs no data: the embedding gives ones at each of ``length`` positions, and is no weight here. Without norms the
    logits would be too large for any number format, since each gated FFN squares its input; and what norms divide by
    cancels all that weights before them do. So norms stay, but what they divide by counts as a constant.
    """
    double = HybridLM(model.architecture).double()
    double.load_state_dict(model.state_dict())
    with torch.no_grad():
        for weight in double.parameters():
            weight.abs_()
        double.embedding.fill_(1)
    double.embedding.requires_grad_(False)
    for module in double.modules():
        if isinstance(module, RMSNorm):
            module.register_forward_hook(_constant_scale)
    weights = [weight for weight in double.parameters() if weight.requires_grad]
    flow = double(torch.zeros(1, length, dtype=torch.int64)).sum()
    found = torch.autograd.grad(flow, weights, allow_unused=True)
    pairs = [(weight.detach(), grad) for weight, grad in zip(weights, found, strict=True) if grad is not None]
    return snip(pairs)


def jacobian_covariance(model: HybridLM, tokens: Tensor) -> float:
    """How differently the network sees the B sequences of tokens [B, T] (Mellor et al. 2020, the first version).

    For each sequence the gradient of the sum of its logits by what the embedding gives; with the eigenvalues v of the
    correlations of these, the score is -sum(log(v + k) + 1 / (v + k)), k = 1e-5. At most it is -B: no two alike.
    """
    jacobians = _input_gradients(model, tokens).double().numpy()
    values = np.maximum(np.linalg.eigvalsh(np.corrcoef(jacobians)), 0) + _SMALL
    return float(-np.sum(np.log(values) + 1 / values))


def _scores_of(model: HybridLM, tokens: Tensor) -> dict[str, float]:
    pairs = gradients(model, tokens)
    return {
        GRADIENT_NORM: gradient_norm(pairs),
        SNIP: snip(pairs),
        SYNFLOW: synflow(model, tokens.shape[1] - 1),
        JACOBIAN_COVARIANCE: jacobian_covariance(model, tokens[:, :-1]),
    }


def _constant_scale(norm: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    """What a norm gives, with the root mean square as a constant."""
    assert isinstance(norm, RMSNorm)
    (x,) = inputs
    return x / root_mean_square(x.detach(), norm.eps) * norm.weight


def _input_gradients(model: HybridLM, tokens: Tensor) -> Tensor:
    """[B, T x C] of the sum of all logits."""
    seen: list[Tensor] = []

    def capture(layer: nn.Module, inputs: tuple[Tensor, object]) -> tuple[Tensor, object]:
        seen.append(inputs[0].detach().requires_grad_())
        return seen[0], inputs[1]

    hook = model.layers[0].register_forward_pre_hook(capture)
    try:
        flow = model(tokens).sum()
    finally:
        hook.remove()
    (grad,) = torch.autograd.grad(flow, seen)
    return grad[:, model.architecture.meta_tokens :].flatten(1)
