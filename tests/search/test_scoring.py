"""Which networks a search trains: candidates as they are, or twins."""

from dataclasses import replace
from typing import Any

import pytest
from search_fakes import Bench, Recorder

from nas_search.errors import InputError
from nas_search.proxies.training_memory import training_bytes
from nas_search.search.executors import site
from nas_search.search.executors.site import ThisMachine
from nas_search.search.scoring import MEMORY_SHARE, decide_twins, twin_note
from nas_search.search.setting import Setting, prepare
from nas_search.space.architecture import Architecture

MOST = 1_000_000


@pytest.fixture
def wide(bench: Bench) -> dict[str, Any]:
    """The fields of a search with members of up to some millions of parameters."""
    text = (bench.folder / "gene.yaml").read_text().replace("[32, 64, 96]", "[64, 128, 256]")
    (bench.folder / "wide.yaml").write_text(text)
    return {"space": str(bench.folder / "wide.yaml"), "train_device": "cpu"}


def setting(bench: Bench, **fields: Any) -> Setting:
    return prepare(bench.config(**fields), bench.folder / "run" / "table.parquet", ThisMachine(60.0))


def with_memory(monkeypatch: pytest.MonkeyPatch, free_bytes: float) -> None:
    monkeypatch.setattr(site, "free_bytes", lambda device: int(free_bytes))


def test_a_space_that_fits_has_no_twins(bench: Bench, wide: dict[str, Any]) -> None:
    assert decide_twins(setting(bench, **wide)) is None


def test_more_parameters_than_the_limit_mean_twins_for_all(bench: Bench, wide: dict[str, Any]) -> None:
    asked = setting(bench, train_parameters=MOST, **wide)
    largest = asked.space.largest()
    assert largest.parameters > MOST
    rule = decide_twins(asked)
    assert rule is not None
    assert rule.widths == {64: 32, 128: 64, 256: 96}
    assert rule.twin(largest).parameters <= MOST
    times = largest.parameters / rule.twin(largest).parameters
    assert "width 64 as 32, 128 as 64, 256 as 96" in twin_note(asked, rule)
    assert f"parameters, {times:.3g} times fewer" in twin_note(asked, rule)


def test_the_memory_is_shared_by_the_workers(
    bench: Bench, wide: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = (setting(bench, workers=workers, **wide) for workers in (1, 2))
    needed = training_bytes(one.space.largest(), one.config.recipe)
    with_memory(monkeypatch, 1.01 * needed / MEMORY_SHARE)
    assert decide_twins(one) is None
    rule = decide_twins(two)
    assert rule is not None
    assert training_bytes(rule.twin(two.space.largest()), two.config.recipe) <= needed / 2


def test_another_vocabulary_alone_means_twins_of_full_width(bench: Bench) -> None:
    asked = setting(bench, train_device="cpu")
    other = replace(asked, space=asked.space.with_vocabulary(5000))
    rule = decide_twins(other)
    assert rule is not None
    assert rule.widths == {32: 32, 64: 64, 96: 96}
    assert rule.twin(Architecture.parse("w64 vocab=5000 a f")).notation == "w64 a f"


def test_no_twin_is_small_enough(bench: Bench) -> None:
    with pytest.raises(InputError, match=r"at most 1,000 parameters.*--train-parameters") as error:
        bench.run("run", train_device="cpu", train_parameters=1000)
    assert "\n" not in str(error.value)
    assert not (bench.folder / "run").exists()


def test_a_resumed_search_keeps_its_twins_whatever_the_memory(
    bench: Bench, wide: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    fields: dict[str, Any] = {"train_parameters": MOST, **wide}
    before = bench.run("run", trials=2, **fields)
    with_memory(monkeypatch, 0)
    observer = Recorder()
    after = bench.run("run", trials=5, observer=observer, **fields)
    assert before.facts is not None and after.facts is not None
    assert after.facts.twins == before.facts.twins is not None
    assert any("scored as twins" in note for note in observer.notes)
    trained = [record for record in after.records() if record.trained]
    assert len(trained) == 5
    for record in trained:
        twin = after.facts.twins.twin(Architecture.parse(record.architecture))
        assert record.scored_as == twin.notation
        assert record.parameters > twin.parameters


def test_a_search_without_twins_says_nothing_of_them(bench: Bench) -> None:
    observer = Recorder()
    study = bench.run("run", trials=2, observer=observer)
    assert study.facts is not None and study.facts.twins is None
    assert all(record.scored_as is None and record.trained_as == record.architecture for record in study.records())
    assert not any("scored as twins" in note for note in observer.notes)


def test_asking_for_cuda_where_there_is_none(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(InputError, match=r"train_device 'cuda': .* sees no CUDA device here; give cpu or auto"):
        bench.run("run", train_device="cuda")
    assert not (bench.folder / "run").exists()


def test_auto_is_cuda_where_there_is_one(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    resolved = bench.config(workers=None).resolved()
    assert (resolved.train_device, resolved.train_parameters, resolved.workers) == ("cuda", 1_000_000_000, 1)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    resolved = bench.config(workers=None).resolved()
    assert (resolved.train_device, resolved.train_parameters) == ("cpu", 20_000_000)
    assert resolved == resolved.resolved()
