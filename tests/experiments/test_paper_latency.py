"""The paper's comparison: what is compared, how shapes are scaled, and that an interrupted run goes on."""

import importlib
import json
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from nas_search.errors import InputError, RunError
from nas_search.profiler.compare import compare
from nas_search.profiler.device import Device, resolve_device
from nas_search.profiler.device_rates import DeviceRates
from nas_search.profiler.estimate import workload_bound_ms
from nas_search.profiler.isolated import run_here
from nas_search.profiler.measurement import Failure, Measurement, Outcome
from nas_search.profiler.timing import StopRule
from nas_search.profiler.workload import Workload
from nas_search.space.architecture import Architecture
from nas_search.space.model import HybridLM
from nas_search.space.operators.attention.spec import AttentionSpec
from nas_search.space.zoo import load_zoo, zoo_names

TESTS = Path(__file__).parents[1]
FOLDER = TESTS.parent / "experiments" / "paper-latency"
HYBRIDS = ("nemotron-flash-1b", "nemotron-flash-3b")
TRANSFORMERS = sorted(set(zoo_names()) - set(HYBRIDS))
PLACE = torch.device("cpu")

JsonObject = dict[str, Any]


@pytest.fixture(autouse=True)
def folders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.syspath_prepend(TESTS / "space" / "independent")


def load(name: str) -> ModuleType:
    return importlib.import_module(name)


def of_scale(name: str, scale: int = 8) -> Architecture:
    scaled: Architecture = load("scaling").scale_architecture(load_zoo(name), scale)
    return scaled


@pytest.mark.parametrize("name", zoo_names())
def test_a_scaled_shape_has_the_same_operators_of_an_eighth_of_the_size(name: str) -> None:
    whole, small = load_zoo(name), of_scale(name)
    assert (small.width, small.vocabulary, small.meta_tokens) == (
        whole.width // 8,
        whole.vocabulary // 8,
        whole.meta_tokens // 8,
    )
    assert small.tied_head == whole.tied_head
    assert [operator.code for operator in small.operators] == [operator.code for operator in whole.operators]
    assert 64 * small.parameters == pytest.approx(whole.parameters, rel=0.01)
    assert of_scale(name, 1) == whole


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_scaled_heads_are_fewer_in_equal_groups_and_of_a_sensible_size(name: str) -> None:
    """Of 14 query and 2 key-value heads only half as many can be had, which are half as large as others."""
    whole, small = load_zoo(name), of_scale(name)
    for before, after in zip(whole.operators, small.operators, strict=True):
        if isinstance(before, AttentionSpec) and isinstance(after, AttentionSpec):
            old, new = before.sizes(whole.width), after.sizes(small.width)
            assert (8 * new.query_width, 8 * new.kv_width) == (old.query_width, old.kv_width)
            assert new.heads / new.kv_heads == old.heads / old.kv_heads
            assert (16 if name == "qwen2.5-0.5b" else 32) <= new.head_dim <= old.head_dim
            assert after.model_copy(update=before.model_dump()) == before


def test_what_cannot_be_scaled_is_refused() -> None:
    scaling = load("scaling")
    with pytest.raises(InputError, match="scale 3 does not divide width=2048"):
        of_scale("llama-3.2-1b", 3)
    with pytest.raises(InputError, match="scale 2 does not divide hidden=33"):
        scaling.scale_architecture(Architecture.parse("w32 f[hidden=33]"), 2)
    with pytest.raises(InputError, match=r"a\[heads=1,kv=1,head_dim=2\] at 1/2: no even head size"):
        scaling.scale_architecture(Architecture.parse("w32 a[heads=1,kv=1,head_dim=2]"), 2)


@pytest.mark.parametrize(
    ("text", "scale", "scaled"),
    [
        ("generate:8192,prompt=1", 8, "generate:1024,prompt=1"),
        ("throughput:32768", 8, "throughput:4096"),
        ("throughput:32768,batch=8", 8, "throughput:4096,batch=8"),
        ("memory:8192", 8, "memory:1024"),
        ("decode:8192,dtype=bfloat16", 1, "decode:8192,dtype=bfloat16"),
    ],
)
def test_workloads_are_scaled_in_their_tokens(text: str, scale: int, scaled: str) -> None:
    assert str(load("scaling").scale_workload(Workload.parse(text), scale)) == scaled


def test_the_papers_ratios() -> None:
    """Those that its abstract and its introduction quote, and all models that it has."""
    paper = load("published").read_published()
    assert paper.latency_ratio("qwen3-0.6b") == pytest.approx(1.9, abs=0.05)
    assert paper.throughput_ratio("qwen3-0.6b") == pytest.approx(45.6, abs=0.05)
    assert paper.latency_ratio("qwen2.5-3b") == pytest.approx(1.7, abs=0.05)
    assert paper.throughput_ratio("qwen2.5-3b") == pytest.approx(6.4, abs=0.05)
    assert paper.latency_ratio("qwen3-1.7b") == pytest.approx(1.3, abs=0.05)
    assert paper.throughput_ratio("qwen3-1.7b") == pytest.approx(18.7, abs=0.05)
    assert set(paper.measurable) == set(TRANSFORMERS)
    assert {baseline.against for baseline in paper.baselines.values()} == set(paper.hybrids) == set(HYBRIDS)


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_transformers_builds_the_same_number_of_parameters(name: str) -> None:
    architecture = load_zoo(name)
    with torch.device("meta"):
        theirs = AutoModelForCausalLM.from_config(load("transformers_step").config_of(architecture, 64))
    assert sum(parameter.numel() for parameter in theirs.parameters()) == architecture.parameters


@pytest.mark.parametrize("notation", ["w64 d f", "w64 a f f", "w64 a f a[heads=2] f", "w64 meta=4 a f", "w64 f a"])
def test_other_shapes_are_refused(notation: str) -> None:
    with pytest.raises(InputError, match="transformers has no class of this shape"):
        load("transformers_step").config_of(Architecture.parse(notation), 64)


@pytest.mark.parametrize(
    "options", ["heads=4,kv=2", "heads=4,kv=1,head_dim=32,qk_norm=yes", "heads=2,kv=2,qkv_bias=yes"]
)
@pytest.mark.parametrize("head", ["", "untied "])
def test_steps_of_transformers_compute_what_ours_compute(options: str, head: str) -> None:
    """From an empty cache, whose slots that are not valid yet hold random numbers."""
    peer = load("transformers_step")
    ours = HybridLM(Architecture.parse(f"w64 vocab=97 {head}(a[{options},rope_theta=1000000] f[hidden=96])x2"), seed=1)
    tokens = torch.randint(97, (peer.MAX_RUNS, 1), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        theirs = peer.StaticCacheStep(ours.architecture, 0, PLACE, torch.float32, compiled=False)
        theirs.model.load_state_dict(load("layouts").transformer_weights(ours))
        state = ours.new_state(1, len(tokens))
        for _ in range(2):
            theirs.reset()
            state.length = 0
            state.index.zero_()
            for token in tokens:
                theirs.tokens.copy_(token)
                torch.testing.assert_close(theirs.logits(), ours.step(token, state), rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a compiler, as torch.compile does on a CPU")
def test_a_compiled_step_is_the_same_step() -> None:
    """In one graph, in inference mode as when it is timed."""
    peer = load("transformers_step")
    network = Architecture.parse("w32 vocab=97 a[heads=2,kv=1,qk_norm=yes] f[hidden=48]")
    with torch.inference_mode():
        step = peer.StaticCacheStep(network, 5, PLACE, torch.float32, compiled=True)
        for _ in range(2):
            step.reset()
            expected = step.logits().argmax(-1)
            step.reset()
            assert torch.equal(step.run(), expected)


@pytest.mark.parametrize(
    ("ours", "word"),
    [(1.9, "yes"), (1.74, "yes"), (1.72, "no, ours is smaller"), (2.08, "yes"), (2.1, "no, ours is larger")],
)
def test_a_ratio_is_reproduced_within_a_tenth(ours: float, word: str) -> None:
    assert load("report").verdict(ours, 1.9) == word


class FakeDevice:
    """Measures by formula: a baseline takes twice as long as its hybrid, and makes a tenth of the tokens.

    What is asked of it is remembered; what ``broken`` says so of ends its process.
    """

    def __init__(self, broken: Callable[[str, str], bool] = lambda what, notation: False) -> None:
        self.asked: list[str] = []
        self.broken = broken
        self.rates = DeviceRates(
            origin="published", source="a data sheet", dtype="float32", bandwidth_bytes_per_s=1e10, flops_per_s=1e11,
            launch_ms=0.0,
        )  # fmt: skip

    @property
    def measuring(self) -> Any:
        return load("experiment").Measuring(self._rates, partial(compare, measure_networks=self._networks), self._steps)

    def _ask(self, what: str, notation: str) -> None:
        self.asked.append(what)
        if self.broken(what, notation):
            raise RunError("the process that measures failed: killed by signal 9")

    def _rates(self, device: Device, dtype: str, **others: Any) -> DeviceRates:
        self._ask("rates", dtype)
        return self.rates

    def _networks(
        self, networks: Sequence[Architecture], workload: Workload, *, device: Device, rounds: Any, **others: Any
    ) -> list[Outcome]:
        self._ask(workload.kind, networks[0].notation)
        values = {"generate": (4000.0, 2000.0), "throughput": (10.0, 100.0), "memory": (80.0, 90.0)}[workload.kind]
        if workload.kind == "generate":
            for index, value in enumerate(values):
                rounds(index, np.full(9, value))
        found: list[Outcome] = [self._measurement(value, workload, device) for value in values]
        if workload.kind == "memory" and "qk_norm" in networks[0].notation:
            found[0] = Failure(reason="out of memory: no more")
        return found

    def _measurement(self, value: float, workload: Workload, device: Device) -> Measurement:
        return Measurement(
            device_id=device.id, workload=str(workload), unit=workload.unit, precision=workload.precision, kernels=(),
            value=value, low=0.9 * value, high=1.1 * value, n=9, wall=value, device=value, clock="wall", busy=False,
            batch=8 if workload.kind == "throughput" else 1,
        )  # fmt: skip

    def _steps(self, function: str, arguments: JsonObject, progress: object) -> JsonObject:
        assert function == "steps:measure_steps"
        self._ask("steps", Architecture.model_validate(arguments["architecture"]).notation)
        ours, theirs, ratio = ([x, x, x] for x in (1.0, 1.5, 1.5))
        row = {"n": 9, "ours": ours, "theirs": theirs, "theirs_over_ours": ratio, "busy": False}
        return {"rows": [{"context": context, **row} for context in arguments["contexts"]]}


MODEL = ["generate", "throughput", "memory"]


def run(fake: FakeDevice, *arguments: str) -> int:
    code: int = load("measure").main(arguments, fake.measuring)
    return code


def header(**changes: Any) -> JsonObject:
    measure = load("measure")
    whole: JsonObject = measure.header(resolve_device("cpu"), measure.parse([]))
    return {**whole, **changes}


def rows_of(text: str, name: str) -> list[list[str]]:
    lines = (line for line in text.splitlines() if line.startswith(f"| {name} "))
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]


def test_figures_are_printed_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "a" / "b"
    fake = FakeDevice()
    assert run(fake, "--models", "llama-3.2-1b", "--out", str(out)) == 0
    text, last = capsys.readouterr().out.rstrip("\n").rsplit("\n", 1)
    document = json.loads(last)
    assert document == json.loads((out / "figures.json").read_text())
    assert text.rstrip("\n") == (out / "table.md").read_text().rstrip("\n")
    assert document["workloads"] == {
        "latency": "generate:1024,prompt=1",
        "throughput": "throughput:4096,batch=8",
        "memory": "memory:1024",
    }
    assert (document["scale"], document["compiled"], document["contexts"]) == (8, False, [24, 192, 768])
    assert str(tmp_path) not in last
    latency, throughput, size, *steps = rows_of(text, "llama-3.2-1b")
    networks = [of_scale(name) for name in ("llama-3.2-1b", "nemotron-flash-1b")]
    bounds = [
        workload_bound_ms(network, Workload.parse("generate:1024,prompt=1"), fake.rates.rates) for network in networks
    ]
    assert latency[1:5] == ["4.000 [3.600, 4.400]", "9", "1", f"{bounds[0] / 4000:.0%}"]
    assert latency[5:9] == ["2.000 [1.800, 2.200]", "9", "1", f"{bounds[1] / 2000:.0%}"]
    assert latency[9:] == ["2.00 [2.00, 2.00]", "1.48"]
    assert throughput[1:4] == ["10 [9, 11]", "9", "8"]
    assert throughput[9:] == ["10.00 [8.18, 12.22]", "7.82"]
    assert size[1:] == [f"{networks[0].parameters:,}", "80"]
    assert rows_of(text, "nemotron-flash-1b") == [["nemotron-flash-1b", f"{networks[1].parameters:,}", "90"]]
    assert [step[1] for step in steps] == ["24", "192", "768"]
    assert steps[0][-1] == "1.50 [1.50, 1.50]"
    assert "static cache, eager" in text
    assert "1/8 of the published ones" in text
    assert "reproduced" not in text


def test_the_papers_own_question_gets_a_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    """At full size on an H100."""
    assert run(FakeDevice(), "--models", "llama-3.2-1b", "--scale", "1", "--compile") == 0
    document = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert document["workloads"]["latency"] == "generate:8192,prompt=1"
    assert "static cache, compiled" in load("report").tables(document)
    document["device"]["name"] = "h100"
    text = load("report").tables(document)
    assert [row[-1] for row in rows_of(text, "llama-3.2-1b")[:2]] == ["no, ours is larger"] * 2
    assert "published ones" not in text


def test_an_interrupted_run_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A part that fails costs no other, is told, and is tried again; a network that does not fit is a result."""
    arguments = ("--models", "llama-3.2-1b", "qwen3-0.6b", "--out", str(tmp_path))
    first = FakeDevice(lambda what, notation: what == "steps" or (what == "throughput" and "qk_norm" in notation))
    assert run(first, *arguments) == 1
    assert first.asked == ["rates", "generate", "throughput", *MODEL, "steps", "steps"]
    errors = capsys.readouterr().err
    assert "models: qwen3-0.6b: the process that measures failed: killed by signal 9" in errors
    assert "transformers: llama-3.2-1b: the process" in errors
    second = FakeDevice()
    assert run(second, *arguments) == 1
    assert second.asked == [*MODEL, "steps", "steps"]
    assert "qwen3-0.6b, or its hybrid: out of memory: no more." in capsys.readouterr().out
    third = FakeDevice()
    assert run(third, *arguments) == 1
    assert third.asked == []


def test_without_rates_there_is_nothing_to_compare_with(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(FakeDevice(lambda what, notation: what == "rates")) == 1
    assert capsys.readouterr() == ("", "measure.py: the process that measures failed: killed by signal 9\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--models", "qwen"], "--models qwen: there are qwen3-0.6b, "),
        (["--models", "amd-olmo-1b"], "--models amd-olmo-1b: there are "),
        (["--scale", "0"], "--scale 0: a whole number of at least 1"),
        (["--scale", "7"], "scale 7 does not divide width=2048"),
        (["--device", "abacus"], "unknown device 'abacus'"),
        (["--out", "{tmp}/file"], "--out {tmp}/file: File exists"),
        (["--out", "{tmp}/torn"], "{tmp}/torn/figures.json: cannot be read: "),
        (["--out", "{tmp}/other"], "{tmp}/other/figures.json is of another run (scale, workloads, contexts"),
    ],
)
def test_bad_options_are_told_in_one_line(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    for name, text in (("torn", "{"), ("other", json.dumps({**header(), "scale": 4, "workloads": {}, "contexts": []}))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "figures.json").write_text(text)
    fake = FakeDevice()
    assert run(fake, *(argument.format(tmp=tmp_path) for argument in arguments)) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"measure.py: {message.format(tmp=tmp_path)}")
    assert error.count("\n") == 1
    assert fake.asked == []


def test_steps_are_measured_in_turns_with_transformers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load("steps"), "STOP", StopRule(max_rounds=4))
    device = resolve_device("cpu")
    request = {
        "device": {**device.model_dump(mode="json"), "place": device.place},
        "architecture": Architecture.parse("w32 vocab=16 (a f)x2").model_dump(mode="json"),
        "contexts": [3, 9],
        "compiled": False,
    }
    rows = [load("rows").StepRow.model_validate(row) for row in run_here("steps:measure_steps", request)["rows"]]
    assert [row.context for row in rows] == [3, 9]
    for row in rows:
        assert row.n == 4
        assert row.theirs_over_ours.value == pytest.approx(row.theirs.value / row.ours.value, rel=0.5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_steps_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiled, as a CUDA graph; at another context the graph is another one."""
    steps = load("steps")
    monkeypatch.setattr(steps, "STOP", StopRule(max_rounds=4))
    network = Architecture.parse("w512 vocab=512 (a[heads=8,kv=2,qk_norm=yes] f)x2")
    rows = [steps.step_row(network, context, resolve_device("cuda"), compiled=True) for context in (24, 192)]
    assert [(row.context, row.n) for row in rows] == [(24, 4), (192, 4)]
    assert all(0 < row.theirs.value < 5 for row in rows)
