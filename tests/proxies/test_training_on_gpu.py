"""Short training on CUDA: it learns the same, and its checkpoints go on anywhere."""

from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from nas_search.proxies.checkpoint import TRUNK_FILE
from nas_search.proxies.data import Corpus
from nas_search.proxies.recipe import TrainingRecipe
from nas_search.proxies.rung_result import RungResult
from nas_search.proxies.short_training import train_rung
from nas_search.proxies.trunk import computes_in_half
from nas_search.space.architecture import Architecture

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")]
RUNGS = [1024, 3072]


@pytest.mark.parametrize("devices", [("cuda", "cuda"), ("cuda", "cpu"), ("cpu", "cuda")])
def test_a_trunk_goes_on_on_any_device(
    architecture: Architecture, corpus: Corpus, recipe: TrainingRecipe, tmp_path: Path, devices: tuple[str, str]
) -> None:
    def train(rung: int, device: str, name: str) -> RungResult:
        folder = tmp_path / name
        return train_rung(
            architecture, corpus, recipe, rungs=RUNGS, rung=rung, seed=0, checkpoint_dir=folder, device=device
        )

    first, second = (train(rung, device, "two") for rung, device in enumerate(devices))
    whole = train(1, "cpu", "one")
    assert first.failure is second.failure is None
    assert second.bits_per_byte == pytest.approx(whole.bits_per_byte, abs=0.02)
    assert second.bits_per_byte < first.bits_per_byte
    with safe_open(tmp_path / "two" / TRUNK_FILE, framework="pt") as file:
        assert all(file.get_tensor(name).device.type == "cpu" for name in file.keys())  # noqa: SIM118 (not a mapping)


def test_techniques_train_in_half_precision(
    architecture: Architecture, corpus: Corpus, recipe: TrainingRecipe, tmp_path: Path
) -> None:
    assert computes_in_half("auto", torch.device("cuda")) == torch.cuda.is_bf16_supported(including_emulation=False)
    asked = recipe.model_copy(update={"optimizer": "muon", "weight_norm": True})
    result, exact = (
        train_rung(
            architecture, corpus, one, device="cuda", seed=0, rungs=RUNGS, rung=1, checkpoint_dir=tmp_path / name
        )
        for name, one in (("half", asked), ("exact", asked.model_copy(update={"precision": "float32"})))
    )
    assert result.failure is exact.failure is None
    assert result.bits_per_byte == pytest.approx(exact.bits_per_byte, abs=0.02)


def test_memory_that_runs_out_is_a_failed_result(corpus: Corpus, recipe: TrainingRecipe, tmp_path: Path) -> None:
    large = Architecture.parse("w4096 (f)x3")  # 1.8 GB of weights
    torch.cuda.set_per_process_memory_fraction(0.01)
    try:
        result = train_rung(large, corpus, recipe, rungs=RUNGS, rung=0, seed=0, checkpoint_dir=tmp_path, device="cuda")
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert result.bits_per_byte is None
    assert result.failure is not None and result.failure.startswith("out of memory")
