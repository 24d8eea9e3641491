"""Prefill and decode steps in onnxruntime are those of our networks."""

import json
import re
import sys
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor

from nas_search.errors import InputError, RunError
from nas_search.proxies.tokenizer import ByteTokenizer
from nas_search.results.export.base import ExportSource
from nas_search.results.export.export import write_export
from nas_search.results.export.onnx import check, exporter, layers
from nas_search.results.export.onnx.exporter import OnnxExporter
from nas_search.results.export.source import find_source
from nas_search.space.architecture import Architecture
from nas_search.space.model import HybridLM
from nas_search.space.operators.ffn.module import FeedForwardModule
from nas_search.space.operators.ffn.spec import FeedForward
from nas_search.space.operators.module import State

# Each operator, with options where they change what is computed. Tracing takes time: every variant stands here once.
OPERATORS = (
    "a[qk_norm=yes,qkv_bias=yes]", "swa[window=4]", "m[conv=1]", "m2[groups=2]", "d", "gd[expand_v=2,conv=2]", "gla",
    "r7", "f",
)  # fmt: skip
MIXED = f"w64 untied meta=3 ({' '.join(OPERATORS)})x2"
TOLERANCE = 1e-4

Array = NDArray[Any]


@dataclass(frozen=True)
class Exported:
    """A network, and the files that were written of it."""

    ours: HybridLM
    folder: Path

    @cached_property
    def prefill(self) -> Any:
        return session(self.folder / "prefill.onnx")

    @cached_property
    def step(self) -> Any:
        return session(self.folder / "step.onnx")

    def read(self, tokens: Tensor) -> list[Array]:
        outputs: list[Array] = self.prefill.run(None, {"tokens": tokens.numpy()})
        return outputs

    def read_one(self, tokens: Tensor, position: int, states: list[Array]) -> list[Array]:
        names = [port.name for port in self.step.get_inputs()]
        inputs = (tokens.numpy(), np.array([position]), *states)
        outputs: list[Array] = self.step.run(None, dict(zip(names, inputs, strict=True)))
        return outputs


def session(path: Path) -> Any:
    from onnxruntime import InferenceSession, SessionOptions

    options = SessionOptions()
    options.intra_op_num_threads = 1
    return InferenceSession(path, options)


def moved_network(notation: str) -> HybridLM:
    """Every weight is moved, so that one in the wrong place shows."""
    network = HybridLM(Architecture.parse(notation), seed=1)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(torch.randn(weight.shape, generator=generator), alpha=0.03)
    return network.eval().requires_grad_(False)


def source_of(notation: str) -> ExportSource:
    return ExportSource(
        Architecture.parse(notation), "a test", moved_network(notation),
        tokenizer=ByteTokenizer(), tokenizer_name="bytes",
    )  # fmt: skip


def export(notation: str, folder: Path) -> Exported:
    source = source_of(notation)
    OnnxExporter().write(source, folder)
    assert source.model is not None
    return Exported(source.model, folder)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """A network of all operators; not to be changed."""
    return export(MIXED, tmp_path_factory.mktemp("mixed"))


def random_tokens(batch: int, length: int) -> Tensor:
    return torch.randint(256, (batch, length), generator=torch.Generator().manual_seed(batch + length))


def assert_same(theirs: Array, ours: Tensor) -> None:
    assert np.abs(theirs - ours.numpy()).max() < TOLERANCE * float(ours.abs().max())


@torch.inference_mode()
def assert_reads_as_ours(exported: Exported, batch: int, prompt: int, steps: int) -> None:
    tokens = random_tokens(batch, prompt + steps)
    state = exported.ours.new_state(batch, prompt + steps)
    logits, *states = exported.read(tokens[:, :prompt])
    assert_same(logits, exported.ours.prefill(tokens[:, :prompt], state))
    for position in range(prompt, prompt + steps):
        logits, *states = exported.read_one(tokens[:, position], position, states)
        assert_same(logits, exported.ours.step(tokens[:, position], state))


@pytest.mark.parametrize("operator", OPERATORS)
def test_every_operator_reads_as_ours(operator: str, tmp_path: Path) -> None:
    exported = export(f"w64 {operator} f", tmp_path)
    assert_reads_as_ours(exported, batch=3, prompt=11, steps=4)


# The tracer's example has 2 sequences of 5 tokens. One token is less than convolutions look back.
@pytest.mark.parametrize(("batch", "prompt"), [(2, 5), (1, 1), (3, 2), (1, 70)])
def test_any_batch_and_length(mixed: Exported, batch: int, prompt: int) -> None:
    assert_reads_as_ours(mixed, batch, prompt, steps=6)


@torch.inference_mode()
def test_the_likeliest_continuation_is_ours(mixed: Exported) -> None:
    tokens = prompt = random_tokens(2, 9)
    logits, *states = mixed.read(prompt)
    for position in range(9, 9 + 24):
        chosen = torch.from_numpy(logits.argmax(-1))
        tokens = torch.cat((tokens, chosen[:, None]), 1)
        logits, *states = mixed.read_one(chosen, position, states)
    assert tokens.tolist() == mixed.ours.generate(prompt, 24, temperature=0).tolist()


@torch.inference_mode()
def test_far_positions_are_ours(mixed: Exported) -> None:
    context, meta = 5000, 3
    state = mixed.ours.new_state(1, context + 1)
    state.fill_random(context + meta, torch.Generator().manual_seed(0))
    parts = [part.clone() for layer in state.layers for part in layer]
    states = [part[:, :, :, : context + meta] if part.dim() == 5 else part for part in parts]
    tokens = random_tokens(1, 1)[0]
    logits, *_ = mixed.read_one(tokens, context, [part.numpy() for part in states])
    assert_same(logits, mixed.ours.step(tokens, state))


def test_configuration_says_what_the_graphs_say(mixed: Exported) -> None:
    said = json.loads((mixed.folder / "config.json").read_text())
    assert said["notation"] == mixed.ours.architecture.notation
    assert said["meta_tokens"] == 3
    for name, graph in (("prefill", mixed.prefill), ("step", mixed.step)):
        for way, ports in (("inputs", graph.get_inputs()), ("outputs", graph.get_outputs())):
            named = {"int64": "tensor(int64)", "float32": "tensor(float)"}
            described = [(port["name"], named[port["type"]], port["shape"]) for port in said[name][way]]
            assert described == [(port.name, port.type, port.shape) for port in ports]


def test_weights_are_there_once(mixed: Exported) -> None:
    weights = load_file(mixed.folder / "model.safetensors")
    ours = dict(mixed.ours.named_parameters())
    assert weights.keys() == ours.keys()
    assert all(torch.equal(weights[name], weight) for name, weight in ours.items())
    # What is left in the graphs depends on the operators, not on the size of the weights.
    assert (mixed.folder / "prefill.onnx").stat().st_size < 200_000
    assert (mixed.folder / "step.onnx").stat().st_size < 200_000


def test_graphs_follow_the_standard_and_name_no_file_of_ours(mixed: Exported) -> None:
    import onnx

    for name in ("prefill.onnx", "step.onnx"):
        onnx.checker.check_model(mixed.folder / name)
        model = onnx.load(mixed.folder / name, load_external_data=False)
        assert {opset.domain: opset.version for opset in model.opset_import} == {"": 18, "nas_search": 1}
        assert len(model.functions) == len(OPERATORS) + 1
        content = (mixed.folder / name).read_bytes()
        assert b".py" not in content and str(Path(sys.prefix)).encode() not in content


@pytest.mark.parametrize("tokenizer", [ByteTokenizer(), None])
def test_the_use_that_the_readme_shows(
    tokenizer: ByteTokenizer | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = replace(source_of("w64 d f"), tokenizer=tokenizer, figures=(("bits per byte", "1.2345, one seed"),))
    OnnxExporter().write(source, tmp_path)
    readme = (tmp_path / "README.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    assert "| bits per byte | 1.2345, one seed |" in readme
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})
    prompt = [1, 2, 3] if tokenizer is None else list(b"import ")
    assert source.model is not None
    expected = source.model.generate(torch.tensor([prompt]), 50, temperature=0)
    printed = str(expected.numpy()) if tokenizer is None else ByteTokenizer().decode(expected[0].tolist())
    assert capsys.readouterr().out == printed + "\n"


def test_nothing_is_written_of_graphs_that_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "LARGEST_DIFFERENCE", 1e-12)
    with pytest.raises(RunError, match=r"logits differ by \d\.\de-0\d of the largest"):
        write_export(find_source("w64 d f"), tmp_path / "out", [OnnxExporter()])
    assert not list(tmp_path.iterdir())


def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = find_source("w64 d f")
    with pytest.raises(InputError, match="export without --no-weights"):
        OnnxExporter().write(source.network(weights=False), tmp_path)
    monkeypatch.setattr(exporter, "find_spec", lambda name: None if name == "onnxruntime" else name)
    with pytest.raises(InputError, match=re.escape("needs onnxruntime: pip install 'nas-search[export]'")):
        OnnxExporter().write(source.network(weights=True), tmp_path)
    assert not list(tmp_path.iterdir())


class Growing(FeedForward):
    """An operator of another package that keeps every token."""

    code: ClassVar[str] = "grows"

    def state_elements(self, width: int, context: int) -> int:
        return width * context


class DataDependent(FeedForwardModule):
    """Does this or that, as the numbers are."""

    def forward(self, x: Tensor, state: State | None = None) -> Tensor:
        return x if bool(x.sum() > 0) else -x


class Untraceable(FeedForward):
    """An operator of another package that no graph can hold."""

    code: ClassVar[str] = "untraceable"

    def build(self, width: int) -> DataDependent:
        return DataDependent(self, width)


def with_operator(operator: FeedForward) -> Architecture:
    architecture = Architecture.parse("w64 d f")
    return architecture.model_copy(update={"operators": (architecture.operators[0], operator)})


def test_operators_of_other_packages() -> None:
    reason = OnnxExporter().misfit(with_operator(Growing(ratio=3.0, hidden=None)))
    assert reason == "operator 2 (grows) is of another package and its state grows with the text"
    operator = Untraceable(ratio=3.0, hidden=None)
    assert OnnxExporter().misfit(with_operator(operator)) is None
    with pytest.raises(RunError, match="operator 'untraceable' cannot be traced: "):
        layers.layer_function(operator, 64, "prefill")
