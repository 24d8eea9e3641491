"""One test for each thing that the fuzzer found and no other test here is about."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from nas_search.errors import InputError
from nas_search.proxies.checkpoint import TRUNK_FILE, load_trunk
from nas_search.proxies.recipe import TrainingRecipe
from nas_search.proxies.scaling_law import ScalingLaw
from nas_search.proxies.text_stream import stream_texts
from nas_search.proxies.trunk import Trunk
from nas_search.search.events import seconds_by_phase
from nas_search.search.journal_file import writable_storage
from nas_search.search.study import Study
from nas_search.space.architecture import Architecture


def edited(journal: Path, **fields: Any) -> None:
    """The first line that has them all, with other values."""
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    next(line for line in lines if fields.keys() <= line.keys()).update(fields)
    journal.write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.mark.parametrize(
    "fields",
    [
        {"user_attrs": "x"},
        {"param_value_internal": 9e9},
        {"distribution": '{"name": "CategoricalDistribution", "attributes": {"choices": []}}'},
        {"datetime_start": 10**30},
        {"trial_id": 10**30},
        {"directions": [[]]},
        {"op_code": [[[]]]},
    ],
    ids=str,
)
def test_lines_of_a_journal_that_are_not_optunas(run: Path, fields: dict[str, Any]) -> None:
    journal = run / "study.journal"
    if not any(fields.keys() <= json.loads(line).keys() for line in journal.read_text().splitlines()):
        pytest.fail(f"no line has {', '.join(fields)}")
    edited(journal, **fields)
    for read in (lambda: Study.open(run), lambda: writable_storage(journal)):
        try:
            read()
        except InputError as error:
            assert "study.journal: damaged" in str(error)


def test_a_line_that_is_nested_too_deeply(run: Path) -> None:
    journal = run / "study.journal"
    journal.write_text("[" * 100_000 + "\n" + journal.read_text())
    with pytest.raises(InputError, match=r"study\.journal: damaged"):
        Study.open(run)


def test_names_of_columns_that_are_not_utf8(tmp_path: Path) -> None:
    pq.write_table(pa.table({"other": ["x"], "text": ["y"]}), tmp_path / "a.parquet", store_schema=False)
    data = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "a.parquet").write_bytes(data.replace(b"other", b"oth\x8cr"))
    with pytest.raises(InputError, match=r"a\.parquet"):
        list(stream_texts(tmp_path / "a.parquet", "text"))


def test_offsets_of_texts_that_lead_elsewhere(tmp_path: Path) -> None:
    table = pa.table({"text": ["abc", "defg"]})
    path = tmp_path / "a.arrow"
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table)
    before, after = (b"".join(n.to_bytes(4, "little", signed=True) for n in (0, 3, end)) for end in (7, -1000))
    data = path.read_bytes()
    assert before in data
    path.write_bytes(data.replace(before, after))
    with pytest.raises(InputError, match=r"a\.arrow"):
        list(stream_texts(tmp_path / "a.arrow", "text"))


@pytest.mark.parametrize("spoil", ["missing", "shape", "losses"])
def test_a_trunk_that_lacks_something_is_none(tmp_path: Path, spoil: str) -> None:
    def fresh() -> Trunk:
        return Trunk(Architecture.parse("w32 a f"), TrainingRecipe.model_validate({}), seed=0, device="cpu")

    tensors = {f"weights.{name}": value.detach() + 1 for name, value in fresh().model.named_parameters()}
    tensors["losses"] = torch.zeros(3, dtype=torch.float64)
    save_file(tensors, tmp_path / TRUNK_FILE, {"identity": "i", "steps": "3"})
    whole, spoiled = fresh(), fresh()
    load_trunk(whole, tmp_path, "i", 9)
    assert len(whole.losses) == 3
    name = next(iter(tensors))
    if spoil == "missing":
        del tensors[name]
    elif spoil == "shape":
        tensors[name] = tensors[name][:1].clone()
    else:
        tensors["losses"] = torch.zeros((3, 1), dtype=torch.float64)
    save_file(tensors, tmp_path / TRUNK_FILE, {"identity": "i", "steps": "3"})
    load_trunk(spoiled, tmp_path, "i", 9)
    assert not spoiled.losses
    for (_, mine), (_, untouched) in zip(
        spoiled.model.named_parameters(), fresh().model.named_parameters(), strict=True
    ):
        assert torch.equal(mine, untouched), "half a trunk was taken"
    with safe_open(tmp_path / TRUNK_FILE, framework="pt") as file:
        assert file.metadata()["identity"] == "i"


@pytest.mark.parametrize("value", [1e-320, 1e300])
def test_a_law_whose_terms_vanish_or_explode(tmp_path: Path, value: float) -> None:
    observed = {"values": [2, 4, 8], "mean": 4}
    row = [2.0, value, 0.5]
    names = ("L0", "a", "alpha")
    law = {
        "format": 1, "source": "x.csv", "loss": "loss", "rows": 9, "dropped": ["width", "tokens"],
        "observed": dict.fromkeys(("depth", "width", "tokens"), observed),
        "coefficients": {n: {"value": v, "low": v, "high": v} for n, v in zip(names, row, strict=True)},
        "resampling": "1 fit", "resamples": [row], "error": {"n": 9, "mean": 0.1, "greatest": 0.2}, "held_out": [],
    }  # fmt: skip
    (tmp_path / "law.json").write_text(json.dumps(law))
    try:
        ScalingLaw.load(tmp_path / "law.json").contributions()
    except InputError as error:
        assert "law.json" in str(error)


@pytest.mark.parametrize("seconds", ["1" + "0" * 400, "1e400", "NaN", '"3"'])
def test_seconds_of_an_event_beyond_counting(tmp_path: Path, seconds: str) -> None:
    line = '{{"event": "seconds", "phase": "table", "seconds": {}}}\n'
    (tmp_path / "events.jsonl").write_text(line.format(seconds) + line.format("1.5"))
    assert seconds_by_phase(tmp_path / "events.jsonl") == {"table": 1.5}


@pytest.mark.parametrize(
    ("attribute", "fields"),
    [
        ("outcome", {"bits_per_byte": None}),
        ("outcome", {"bits_per_byte": float("nan")}),
        ("outcome", {"rung_scores": [float("inf")]}),
        ("candidate", {"figures": {}}),
        ("candidate", {"latency_ms": float("nan")}),
        ("candidate", {"duplicate_of": 99}),
        ("facts", {"objectives": []}),
        ("facts", {"objectives": ["loss", "decode:64"]}),
        ("facts", {"objectives": ["decode:64"]}),
    ],
    ids=str,
)
def test_a_trial_that_lacks_what_all_take_for_granted(run: Path, attribute: str, fields: dict[str, Any]) -> None:
    journal = run / "study.journal"
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    found = [line["user_attr"] for line in lines if attribute in line.get("user_attr", {})]
    found[0][attribute].update(fields)
    journal.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(InputError, match=r"study\.journal: damaged"):
        Study.open(run)
