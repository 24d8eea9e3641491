"""Searching for a device that is not here: from a recorded table, or from published rates."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from elsewhere import SPACE, fabricated_table
from search_fakes import SMALL_EVOLUTION, TEXT, InlineExecutor, Recorder, essence, fake_train

from nas_search.errors import InputError
from nas_search.profiler.recorded import cache_folder, keep_table
from nas_search.profiler.table import LatencyTable
from nas_search.search.config import SearchConfig
from nas_search.search.run import run_search
from nas_search.search.study import Study
from nas_search.space.architecture import Architecture
from nas_search.space.search_space import load_space

WORKLOAD = "decode:64"


class Remote:
    """A folder with a space that names its vocabulary, a text of bytes, and a table of an H100."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "remote.yaml").write_text(SPACE)
        (folder / "text.txt").write_text("".join(f"{i} {TEXT}" for i in range(600)))
        self.space = load_space(folder / "remote.yaml")
        self.table = fabricated_table(self.space, [WORKLOAD], folder / "table.parquet")

    def run(self, name: str = "run", observer: Recorder | None = None, **fields: Any) -> Study:
        """A search whose trainings are faked; anything that would be measured is an error."""
        defaults = {
            "device": "h100", "space": str(self.folder / "remote.yaml"), "workload": WORKLOAD, "trials": 6,
            "workers": 1, "data": str(self.folder / "text.txt"),
            "tokens": 9 * 16_384, "lowest_rung": 16_384, "train_device": "cpu",
            "recipe": {"warmup_tokens": 2048}, **SMALL_EVOLUTION,
        }  # fmt: skip

        def make(run_dir: Path, workers: int) -> InlineExecutor:
            return InlineExecutor(run_dir, workers, functions={"train": fake_train})

        config = SearchConfig.checked(defaults | fields)
        return run_search(config, self.folder / name, observer or Recorder(), make_executor=make)


@pytest.fixture
def remote(tmp_path: Path, text_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Remote:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("nas_search.proxies.data.default_cache_dir", lambda: text_cache)
    return Remote(tmp_path)


def check(study: Study, source: str) -> None:
    """A winner that was trained longer, as a twin, and whose latency was predicted."""
    winner = study.winner()
    assert winner is not None and winner.confirmed is not None
    assert (winner.confirmed.latency, winner.confirmed.figures) == (None, {})
    assert len(winner.confirmed.scores) == 2
    assert study.table.source == source
    assert study.table.device.name == "h100"
    confirmed = [record for record in study.records() if record.confirmed]
    assert winner == min(confirmed, key=lambda record: record.confirmed.bits_per_byte)
    for record in study.records():
        assert Architecture.parse(record.architecture).vocabulary == 1000
        twin = Architecture.parse(record.trained_as)
        assert record.scored_as == record.architecture.replace("vocab=1000 ", "")
        assert twin.vocabulary == 256


def test_a_table_that_is_given(remote: Remote) -> None:
    observer = Recorder()
    study = remote.run(observer=observer, table=remote.table)
    check(study, "table")
    assert study.config.table == remote.table
    assert "device 'h100' is not on this machine: its latencies are sums of a recorded table" in observer.notes
    note = next(note for note in observer.notes if "twins" in note)
    assert "width 32 as 32, 64 as 64, 256 tokens" in note
    assert study.facts is not None and study.facts.twins is not None
    assert study.facts.twins.vocabulary == 256
    # What is on the front was found with the table's precision: bfloat16 on a GPU.
    assert study.goals.main.name == "decode:64,dtype=bfloat16"


def test_a_table_in_the_cache_is_found(remote: Remote) -> None:
    kept = keep_table(LatencyTable.load(remote.table))
    assert kept.parent == cache_folder()
    fabricated_table(remote.space, ["decode:32"], cache_folder() / "h100-000000000000.parquet")
    (cache_folder() / "h100-111111111111.parquet").write_bytes(b"damaged")
    study = remote.run()
    check(study, "table")
    assert study.table.hash == LatencyTable.load(remote.table).hash
    kept.unlink()
    assert essence(remote.run()) == essence(study), "the run has its own copy"


def test_published_rates(remote: Remote) -> None:
    observer = Recorder()
    study = remote.run(observer=observer, estimate=True)
    check(study, "estimate")
    assert "device 'h100' is not on this machine: its latencies are estimates from published rates" in observer.notes
    assert essence(remote.run(estimate=True)) == essence(study)


def test_a_recorded_table_is_better_than_an_estimate(remote: Remote) -> None:
    keep_table(LatencyTable.load(remote.table))
    assert remote.run(estimate=True).table.source == "table"


@pytest.mark.parametrize("estimate", [False, True])
def test_a_budget_of_an_architecture_in_the_table(remote: Remote, estimate: bool) -> None:
    fields: dict[str, Any] = {"estimate": True} if estimate else {"table": remote.table}
    study = remote.run(latency_budget="w64 vocab=1000 a f m2", **fields)
    architecture = Architecture.parse("w64 vocab=1000 a f m2")
    assert study.limit_ms == study.table.predict(architecture, study.goals.workloads[0])


def test_a_budget_of_an_architecture_beyond_the_table(remote: Remote) -> None:
    assert remote.run("estimated", estimate=True, latency_budget="nemotron-flash-1b").limit_ms is not None
    with pytest.raises(InputError, match=r"budget 'nemotron-flash-1b': not in the table of 'h100' \(.*give a time"):
        remote.run(table=remote.table, latency_budget="nemotron-flash-1b")
    assert not (remote.folder / "run").exists()


BAD: dict[str, tuple[Mapping[str, Any], str]] = {
    "unknown device": ({"device": "abacus"}, "unknown device 'abacus': .* has 'cpu'.*no recorded tables.*h100"),
    "no table": ({}, "'h100' is not on this machine, and there is no recorded table of it; .*--estimate"),
    "another device's": ({"device": "a100", "table": "table.parquet"}, "of h100 .*; .*asked for is 'a100'"),
    "this device's": ({"device": "cpu", "table": "table.parquet"}, "recorded on h100-.*imaginary.*this is cpu-"),
    "missing": ({"table": "nowhere.parquet"}, "nowhere.parquet"),
    "not covered": ({"table": "table.parquet", "workload": "prefill:64"}, "does not cover space remote"),
    "energy": ({"estimate": True, "objectives": ["loss", "energy:64"]}, "energy does not follow from rates"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_and_leaves_no_directory(remote: Remote, name: str) -> None:
    fields, message = BAD[name]
    if "table" in fields:
        fields = {**fields, "table": remote.folder / fields["table"]}
    with pytest.raises(InputError, match=message) as error:
        remote.run(**fields)
    assert "\n" not in str(error.value)
    assert not (remote.folder / "run").exists()


def test_a_recorded_table_that_lacks_something_says_what(remote: Remote) -> None:
    fabricated_table(remote.space, ["decode:32"], cache_folder() / "h100-000000000000.parquet")
    with pytest.raises(InputError, match=r"no recorded table of it does \(h100-000000000000\.parquet: .*32"):
        remote.run()
