"""Searches that are refused: wrong input, a run of something else, a folder that is in use."""

from typing import Any

import pytest
from search_fakes import Bench, FakeTable, essence

from nas_search.errors import InputError
from nas_search.search.lock import RunLock

BAD = {
    "device": ({"device": "abacus"}, "abacus"),
    "space": ({"space": "cpuu"}, "cpuu"),
    "sampler": ({"sampler": "evolutoin"}, "did you mean 'evolution'"),
    "option": ({"sampler": "tpe", "sampler_options": {"population": 3}}, "population"),
    "workload": ({"workload": "decode:x"}, "decode:x"),
    "objective": ({"objectives": ["loss", "sped"]}, "objective 'sped'"),
    "limit": ({"limits": ["memory:64<=2ms"]}, "limit 'memory:64<=2ms'"),
    "budget form": ({"latency_budget": "soon"}, "soon"),
    "budget": ({"latency_budget": "0.001ms"}, "the fastest is w32 a with 0.096 ms/token"),
    "text": ({"data": "/nowhere.txt"}, "nowhere"),
    "table": ({"table": "/nowhere.parquet"}, "nowhere"),
    "rungs": ({"recipe": {"warmup_tokens": 1_000_000}}, "warm-up"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_leaves_no_directory(bench: Bench, name: str) -> None:
    fields, message = BAD[name]
    with pytest.raises(InputError, match=message) as error:
        bench.run("run", **fields)
    assert "\n" not in str(error.value)
    assert not (bench.folder / "run").exists()


def test_a_table_of_another_device_is_refused(bench: Bench) -> None:
    FakeTable.of(bench.space(), device_id="cpu-elsewhere").save(bench.folder / "other.parquet")
    with pytest.raises(InputError, match="cpu-elsewhere"):
        bench.run("run", table=bench.folder / "other.parquet")
    assert not (bench.folder / "run").exists()


@pytest.mark.parametrize(
    ("field", "changed"),
    [
        ("seed", 3),
        ("sampler", "random"),
        ("latency_budget", "3x"),
        ("limits", ["parameters<=1M"]),
        ("tokens", 9 * 20_000),
        ("confirm_seeds", 1),
    ],
)
def test_another_configuration_does_not_resume(bench: Bench, field: str, changed: Any) -> None:
    options = {"sampler_options": {}}
    bench.run("run", trials=2, **options)
    before = (bench.folder / "run" / "config.yaml").read_bytes()
    with pytest.raises(InputError, match=f"begun with {field}"):
        bench.run("run", trials=2, **options, **{field: changed})
    assert (bench.folder / "run" / "config.yaml").read_bytes() == before


def test_another_text_space_or_table_does_not_resume(bench: Bench) -> None:
    bench.run("run", trials=2)
    text = bench.text.read_text()
    bench.text.write_text(text + "more")
    with pytest.raises(InputError, match="corpus"):
        bench.run("run", trials=2)
    bench.text.write_text(text)
    FakeTable.of(bench.space(), scale=2.0).save(bench.table)
    with pytest.raises(InputError, match=r"given\.parquet"):
        bench.run("run", trials=2)
    FakeTable.of(bench.space()).save(bench.table)
    space = bench.folder / "gene.yaml"
    space.write_text(space.read_text().replace("max_repeats: 3", "max_repeats: 4"))
    with pytest.raises(InputError, match="another space"):
        bench.run("run", trials=2)


def test_the_given_table_may_be_gone_when_a_run_goes_on(bench: Bench) -> None:
    before = bench.run("run", trials=2)
    bench.table.unlink()
    assert essence(bench.run("run", trials=2)) == essence(before)


def test_two_at_once_in_one_directory_is_an_error(bench: Bench) -> None:
    (bench.folder / "run").mkdir()
    with RunLock(bench.folder / "run" / "run.lock"), pytest.raises(InputError, match="another search is running"):
        bench.run("run")


def test_a_folder_with_something_else_is_not_touched(bench: Bench) -> None:
    other = bench.folder / "run"
    other.mkdir()
    (other / "thesis.tex").write_text("dear reader")
    with pytest.raises(InputError, match="not empty"):
        bench.run("run")
    assert [path.name for path in other.iterdir()] == ["thesis.tex"]
