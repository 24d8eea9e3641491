"""Networks whose weights look trained, for tests of what becomes of them elsewhere."""

import torch

from nas_search.space.architecture import Architecture
from nas_search.space.model import HybridLM


def trained_like(notation: str) -> HybridLM:
    """No weight at a value that would hide it, and a stream so small that the eps of norms counts."""
    model = HybridLM(Architecture.parse(notation)).eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(0)
    for weight in model.parameters():
        weight.add_(0.1 * torch.randn(weight.shape, generator=generator))
    for name, weight in model.named_parameters():
        if name in {"embedding", "meta_tokens"} or name.endswith("out_proj.weight"):
            weight.mul_(0.02)
    return model
