"""What the model classes of others cannot be, in words that name the operator."""

import re
import subprocess
import sys

import pytest

from nas_search.results.export.native.formats import NATIVE
from nas_search.space.architecture import Architecture

FORMATS = {each.name: each for each in NATIVE}
MISFITS = [
    ("llama", "w64 m2 f", "operator 1 \\(m2\\): Llama has no layer for Mamba-2"),
    ("llama", "w64 a f swa f", "operator 3 \\(swa\\): Llama has no layer for Sliding-window attention"),
    ("llama", "w64 a[qk_norm=yes] f", "operator 1 .*qk_norm=no only"),
    ("llama", "w64 a[qkv_bias=yes] f", "operator 1 .*qkv_bias=no only"),
    ("llama", "w64 f a", "operator 1 \\(f\\): in Llama a token mixer belongs before each FFN"),
    ("llama", "w64 a a f", "operator 2 \\(a\\): in Llama an FFN belongs behind each token mixer"),
    ("llama", "w64 a f a", "operator 3 \\(a\\): in Llama an FFN belongs behind each token mixer"),
    ("llama", "w64 a f a[heads=4] f", "operator 3 \\(a\\[heads=4\\]\\) differs from operator 1 \\(a\\)"),
    ("llama", "w64 a f a f[ratio=4]", "operator 4 .* differs from operator 2"),
    ("llama", "w64 meta=3 a f", "3 meta tokens"),
    ("mistral", "w64 a f", "operator 1 \\(a\\): in Mistral all attention has a window; format llama has none"),
    ("mistral", "w64 swa f swa[window=3] f", "operator 3 .* differs from operator 1"),
    ("ministral", "w64 a f swa f swa[window=3] f", "operator 5 .* differs from operator 3"),
    ("qwen2", "w64 a f", "qkv_bias=yes only"),
    ("qwen3", "w64 a f", "qk_norm=yes only"),
    ("qwen3", "w64 a[qk_norm=yes,qkv_bias=yes] f", "qkv_bias=no only"),
    ("mamba", "w64 m m2", "operator 2 \\(m2\\)"),
    ("mamba", "w64 m m[state=8]", "operator 2 .* differs from operator 1"),
    ("mamba2", "w64 m2 f", "operator 2 \\(f\\): Mamba-2 has no layer for SwiGLU FFN"),
    ("nemotron_h", "w64 m2 a", "operator 2 \\(a\\): .*no rotary positions"),
    ("nemotron_h", "w64 m2 f", "operator 2 \\(f\\): .*no gate"),
    ("nemotron_h", "w64 m2 d", "operator 2 \\(d\\)"),
    ("granitemoehybrid", "w64 m2 a f", "operator 2 \\(a\\): .*an FFN belongs"),
    ("granitemoehybrid", "w64 m2 f a[qk_norm=yes] f", "operator 3 .*neither norms nor biases"),
    ("granitemoehybrid", "w64 m2 f a[heads=4,head_dim=32] f", "operator 3 .*128 wide"),
    ("qwen3_next", "w64 gd f a f", "operator 3 \\(a\\): attention in Qwen3-Next has qk_norm=yes"),
    ("qwen3_next", "w64 gd f a[qk_norm=yes,qkv_bias=yes] f", "operator 3 .*no biases"),
    ("qwen3_next", "w64 a[qk_norm=yes] f", "operator 1 .*format qwen3"),
    ("qwen3_next", "w64 d f", "operator 1 \\(d\\)"),
    ("fla", "w64 a f", "operator 1 \\(a\\): .*format llama"),
    ("fla", "w64 d f gd f", "operator 3 \\(gd\\): .*one kind of linear layer"),
    ("fla", "w64 r7 f", "operator 1 \\(r7\\): .*LayerNorm"),
    ("fla", "w64 gla[gate_rank=4] f", "operator 1 .*rank 16"),
    ("fla", "w64 d f a[qk_norm=yes] f", "operator 3 .*does not normalise"),
    ("fla", "w64 d f a[heads=4,head_dim=32] f", "operator 3 .*128 wide"),
]


@pytest.mark.parametrize(("name", "notation", "reason"), MISFITS)
def test_the_reason_names_the_operator(name: str, notation: str, reason: str) -> None:
    misfit = FORMATS[name].misfit(Architecture.parse(notation))
    assert misfit is not None
    assert re.search(reason, misfit), misfit


def test_asking_imports_no_torch() -> None:
    program = (
        "import sys\n"
        "from nas_search.results.export.native.formats import NATIVE\n"
        "from nas_search.results.export.nemotron_flash.exporter import NemotronFlashExporter\n"
        "from nas_search.space.architecture import Architecture\n"
        "architecture = Architecture.parse('w256 d f m2 f a f')\n"
        "for each in (*NATIVE, NemotronFlashExporter()): each.misfit(architecture)\n"
        "assert not {'torch', 'transformers', 'fla'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
