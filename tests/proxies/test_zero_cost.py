"""Zero-cost scores: checked by hand on tiny networks, and finite for every operator."""

import math

import numpy as np
import pytest
import torch

from nas_search.errors import InputError
from nas_search.proxies.agreement import PARAMETERS
from nas_search.proxies.data import Corpus
from nas_search.proxies.zero_cost import (
    FLOPS,
    GRADIENT_NORM,
    JACOBIAN_COVARIANCE,
    SNIP,
    SYNFLOW,
    gradient_norm,
    gradients,
    jacobian_covariance,
    snip,
    synflow,
    zero_cost_proxies,
    zero_cost_scores,
)
from nas_search.space.architecture import Architecture
from nas_search.space.model import HybridLM
from nas_search.space.operators.registry import operator_types

NAMES = {PARAMETERS, FLOPS, GRADIENT_NORM, SNIP, SYNFLOW, JACOBIAN_COVARIANCE}


def network(notation: str = "w16 vocab=20 untied a[heads=2] f", seed: int = 0) -> HybridLM:
    return HybridLM(Architecture.parse(notation), seed=seed)


def tokens(rows: int = 3, length: int = 8, seed: int = 0) -> torch.Tensor:
    """No token twice in a row."""
    rng = np.random.default_rng(seed)
    return torch.from_numpy(np.stack([rng.permutation(20)[:length] for _ in range(rows)]))


def test_gradient_norm_and_snip_are_those_of_autograd() -> None:
    model, batch = network(), tokens()
    pairs = gradients(model, batch)
    model.loss(batch).backward()
    squares, products = 0.0, 0.0
    for weight in model.parameters():
        for one, grad in zip(weight.flatten().tolist(), weight.grad.flatten().tolist(), strict=True):
            squares += grad**2
            products += abs(one * grad)
    assert gradient_norm(pairs) == pytest.approx(math.sqrt(squares), rel=1e-4)
    assert snip(pairs) == pytest.approx(products, rel=1e-4)


def test_snip_is_what_removing_a_weight_changes() -> None:
    model, batch = network(), tokens()
    model.double()
    pairs = gradients(model, batch)
    head = next(grad for weight, grad in pairs if weight.data_ptr() == model.head.data_ptr())
    before = model.loss(batch).item()
    with torch.no_grad():
        predicted = (model.head[7, 3] * head[7, 3]).item()
        model.head[7, 3] = 0
    assert before - model.loss(batch).item() == pytest.approx(predicted, rel=0.02, abs=1e-6)


def test_synflow_needs_no_data_and_no_signs() -> None:
    model = network()
    found = synflow(model)
    assert found > 0
    with torch.no_grad():
        for weight in model.layers.parameters():
            weight.neg_()
    assert synflow(model) == pytest.approx(found)
    with torch.no_grad():
        model.head.mul_(3)
    assert synflow(model) == pytest.approx(3 * found)
    assert all(weight.grad is None for weight in model.parameters())


def test_synflow_by_hand() -> None:
    """Logits are linear in the head and in the final gain: each adds all of the flow. So does what the layer adds."""
    model = network("w16 vocab=20 untied f")
    positive = network("w16 vocab=20 untied f").double()
    with torch.no_grad():
        for weight in positive.parameters():
            weight.abs_()
        positive.embedding.fill_(1)
        zeros = torch.zeros(1, 4, dtype=torch.int64)
        flow = positive(zeros).sum().item()
        stream = torch.ones(1, 4, 16, dtype=torch.float64)
        written = positive.layers[0](stream, None) - stream
        share = (written / (stream + written)).mean().item()
    found = synflow(model, 4)
    assert found > 2 * flow
    # The layer writes through down (linear), up (linear), gate (between linear and square) and its norm's gain (both).
    assert 2 * flow * (1 + share) < found < flow * (2 + 8 * share)


def test_jacobian_covariance_by_hand() -> None:
    model, batch = network(), tokens(rows=2)
    rows = []
    for sequence in batch:
        model.zero_grad()
        model(sequence[None]).sum().backward()
        rows.append(model.embedding.grad[sequence].flatten().numpy())  # each token stands once, the head is another
    r = np.corrcoef(np.array(rows, dtype=np.float64))[0, 1]
    expected = -sum(math.log(v) + 1 / v for v in (1 - r + 1e-5, 1 + r + 1e-5))
    assert jacobian_covariance(model, batch) == pytest.approx(expected, rel=1e-3)
    assert jacobian_covariance(model, batch[:1].repeat(2, 1)) < -1e4 < jacobian_covariance(model, batch) < -1.99


@pytest.mark.parametrize("code", sorted(operator_types()))
def test_scores_of_every_operator_are_finite(code: str) -> None:
    windows = np.random.default_rng(0).integers(0, 256, size=(4, 17))
    scores = zero_cost_scores(Architecture.parse(f"w32 meta=2 {code} f"), windows)
    assert scores.keys() == NAMES
    assert np.isfinite(list(scores.values())).all()
    assert all(value > 0 for name, value in scores.items() if name != JACOBIAN_COVARIANCE)


def test_several_seeds_are_averaged() -> None:
    architecture, windows = Architecture.parse("w32 a f"), np.random.default_rng(0).integers(0, 256, size=(4, 17))
    one, two = (zero_cost_scores(architecture, windows, seeds=(seed,)) for seed in (0, 1))
    both = zero_cost_scores(architecture, windows, seeds=(0, 1))
    assert one[SNIP] != two[SNIP]
    assert both == pytest.approx({name: (one[name] + two[name]) / 2 for name in NAMES})
    assert one == zero_cost_scores(architecture, windows)


def test_proxies_of_several_networks(corpus: Corpus) -> None:
    calls: list[tuple[int, int]] = []
    networks = [Architecture.parse(text) for text in ("w32 f", "w32 a f")]
    found = zero_cost_proxies(networks, corpus, progress=lambda done, total: calls.append((done, total)))
    assert {proxy.name for proxy in found} == NAMES - {PARAMETERS}
    flops = next(proxy for proxy in found if proxy.name == FLOPS)
    assert flops.values[1] < flops.values[0] < 0  # less is better, and more FLOPs promise more
    assert calls == [(1, 2), (2, 2)]


def test_a_vocabulary_that_is_too_small() -> None:
    with pytest.raises(InputError, match="a vocabulary of 20 is too small for token 255"):
        zero_cost_scores(Architecture.parse("w16 vocab=20 f"), np.full((2, 5), 255))
