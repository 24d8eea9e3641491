"""A program: how far logits of flash-linear-attention are from ours, its kernels run by Triton's interpreter."""

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from triton.runtime.autotuner import Autotuner

from nas_search.results.export.base import ExportSource
from nas_search.results.export.native.fla import FLA
from nas_search.space.architecture import Architecture
from nas_search.space.model import HybridLM

# Nothing can be timed here: the first configuration of a kernel will do.
Autotuner._bench = lambda self, *args, config, **kwargs: [1.0, 1.0, 1.0]

import fla  # noqa: E402, F401
from transformers import AutoModelForCausalLM  # noqa: E402


def main(notations: list[str]) -> None:
    """Print the largest difference for each network, relative to the largest logit if that is above one."""
    for notation in notations:
        model = HybridLM(Architecture.parse(notation)).eval().requires_grad_(False)
        generator = torch.Generator().manual_seed(0)
        for name, weight in model.named_parameters():
            weight.add_(0.1 * torch.randn(weight.shape, generator=generator))
            if name == "embedding" or name.endswith("out_proj.weight"):
                weight.mul_(0.02)
        with TemporaryDirectory() as folder, torch.no_grad():
            FLA.write(ExportSource(architecture=model.architecture, origin="a test", model=model), Path(folder))
            theirs, loading = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
            assert not any(loading.values()), loading
            tokens = torch.randint(97, (2, 20), generator=generator)
            expected, found = model(tokens), theirs.eval()(tokens, use_cache=False).logits
        print(json.dumps(float((found - expected).abs().max() / expected.abs().max().clamp(min=1))))


if __name__ == "__main__":
    main(sys.argv[1:])
