"""What is in the folder, whatever is known of the network."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from exported import Pair, network
from safetensors.torch import load_file

from nas_search.proxies.tokenizer import ByteTokenizer
from nas_search.results.export.base import ExportSource
from nas_search.results.export.hf.exporter import HuggingFaceExporter
from nas_search.space.architecture import Architecture

NOTATION = "w32 meta=2 m2 a f"
CODE = {"README.md", "config.json", "configuration_nas_search.py", "generation_config.json", "modeling_nas_search.py"}
TOKENIZER = {"tokenizer.json", "tokenizer_config.json"}


def written(folder: Path, **fields: Any) -> set[str]:
    source = ExportSource(Architecture.parse(NOTATION), "trial 17 of runs/x", **fields)
    HuggingFaceExporter().write(source, folder)
    return {path.name for path in folder.iterdir()}


def snippet(folder: Path) -> str:
    found = re.search(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    assert found is not None
    return found[1]


def run_snippet(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Run what the card shows, in the folder."""
    monkeypatch.chdir(folder)
    names: dict[str, Any] = {}
    exec(snippet(folder), names)
    return names


def test_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    figures = (("latency", "1.23 ms/token (n = 41, 1.2 to 1.3)"), ("bits per byte", "2.1, one seed"))
    files = written(
        tmp_path, model=network(NOTATION), trained=True, tokenizer=ByteTokenizer(), tokenizer_name="bytes",
        figures=figures, notes=("The run is unfinished.",),
    )  # fmt: skip
    assert files == CODE | TOKENIZER | {"model.safetensors"}
    card = (tmp_path / "README.md").read_text()
    assert "| latency | 1.23 ms/token (n = 41, 1.2 to 1.3) |" in card and "The run is unfinished." in card
    assert f"# {NOTATION}\n" in card and "From trial 17 of runs/x" in card and "bytes of UTF-8" in card
    assert card.startswith("---\nlibrary_name: transformers\n")
    run_snippet(tmp_path, monkeypatch)
    assert capsys.readouterr().out.startswith("import ")


def test_weights_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A model that nobody has a tokenizer for."""
    assert written(tmp_path, model=network(NOTATION)) == CODE | {"model.safetensors"}
    assert "|---|" not in (tmp_path / "README.md").read_text()
    run_snippet(tmp_path, monkeypatch)
    assert capsys.readouterr().out.startswith("tensor([[  1,   2,   3,")


def test_no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert written(tmp_path) == CODE
    model = run_snippet(tmp_path, monkeypatch)["model"]
    assert sum(weight.numel() for weight in model.parameters()) == Architecture.parse(NOTATION).parameters


def test_weights_are_ours_under_the_usual_names(pair: Callable[..., Pair]) -> None:
    both = pair("w32 meta=2 untied a f")
    weights, ours = load_file(both.folder / "model.safetensors"), dict(both.ours.named_parameters())
    assert len(weights) == len(ours)
    assert torch.equal(weights["model.embed_tokens.weight"], ours["embedding"])
    assert torch.equal(weights["lm_head.weight"], ours["head"])
    assert torch.equal(weights["model.layers.0.mixer.qkv_proj.weight"], ours["layers.0.mixer.qkv_proj.weight"])
    assert torch.equal(weights["model.meta_tokens"], ours["meta_tokens"])


def test_the_format_of_the_weights_is_kept(tmp_path: Path) -> None:
    written(tmp_path, model=network(NOTATION).to(torch.bfloat16))
    assert json.loads((tmp_path / "config.json").read_text())["dtype"] == "bfloat16"
    assert {weight.dtype for weight in load_file(tmp_path / "model.safetensors").values()} == {torch.bfloat16}


def test_needs_no_transformers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "transformers", None)
    assert "model.safetensors" in written(tmp_path, model=network(NOTATION), tokenizer=ByteTokenizer())
