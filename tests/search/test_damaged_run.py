"""Files of a run that somebody damaged: one line that names the file, or work that is done again."""

import json
import re
from pathlib import Path

import pytest
from search_fakes import Bench, essence

from nas_search.errors import InputError
from nas_search.search.events import seconds_by_phase
from nas_search.search.jobs import Job, read_result, write_result
from nas_search.search.study import Study


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"3", b"\xff\x00", b"[" * 5000, b'{"sha256": []}'])
def test_damaged_confirmations(bench: Bench, content: bytes) -> None:
    bench.run("run", trials=2)
    (bench.folder / "run" / "confirmations.json").write_bytes(content)
    with pytest.raises(InputError, match=r"confirmations\.json: damaged"):
        Study.open(bench.folder / "run")


@pytest.mark.parametrize(("old", "new"), [('"fate"', '"fat"'), ('"proposal_index":', '"proposal_indices":')])
def test_a_journal_of_another_program(bench: Bench, old: str, new: str) -> None:
    bench.run("run", trials=2)
    path = bench.folder / "run" / "study.journal"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(InputError, match=r"study\.journal: damaged"):
        Study.open(bench.folder / "run")


def test_a_flipped_bit_in_a_figure_of_the_journal(bench: Bench) -> None:
    bench.run("run", trials=2)
    path = bench.folder / "run" / "study.journal"
    text = path.read_text()
    at = text.index('"latency_ms":0.') + len('"latency_ms":0.')
    path.write_text(text[:at] + str((int(text[at]) + 1) % 10) + text[at + 1 :])
    with pytest.raises(InputError, match=r"study\.journal: damaged.*checksum.*without this file the same search"):
        Study.open(bench.folder / "run")
    path.write_text(text)
    before = essence(Study.open(bench.folder / "run"))
    path.unlink()
    assert essence(bench.run("run", trials=2)) == before


def test_lines_of_earlier_versions_have_no_checksum(bench: Bench) -> None:
    study = bench.run("run", trials=2)
    path = bench.folder / "run" / "study.journal"
    text = path.read_text()
    assert text.count('"crc32"') == len(text.splitlines())
    path.write_text(re.sub(r',"crc32":"[0-9a-f]{8}"}$', "}", text, flags=re.MULTILINE))
    assert essence(Study.open(bench.folder / "run")) == essence(study)
    assert len(bench.run("run", trials=3).records()) > len(study.records())


def test_events_are_for_people_and_cannot_stop_a_run(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    lines = ['{"event": "seconds"}', '{"event": "seconds", "phase": "table", "seconds": "abc"}', "[" * 5000, "3"]
    lines.append('{"event": "seconds", "phase": "table", "seconds": NaN}')
    lines.append('{"event": "seconds", "phase": "table", "seconds": 1.5}')
    path.write_text("\n".join(lines))
    assert seconds_by_phase(path) == {"table": 1.5}


def test_a_result_with_a_flipped_bit_is_no_result(tmp_path: Path) -> None:
    (tmp_path / "jobs").mkdir()
    job = Job(name="one", kind="train", arguments={"rung": 1})
    write_result(tmp_path, job, {"bits_per_byte": 2.5, "curve": [(1, 2.0)]})
    assert read_result(tmp_path, job) == {"bits_per_byte": 2.5, "curve": [[1, 2.0]]}
    path = tmp_path / "jobs" / "one.json"
    path.write_text(path.read_text().replace("2.5", "2.4"))
    assert read_result(tmp_path, job) is None


@pytest.mark.parametrize("content", ["[]", "[" * 9000, "{", "3"])
def test_a_damaged_result_is_no_result(tmp_path: Path, content: str) -> None:
    (tmp_path / "jobs").mkdir()
    job = Job(name="one", kind="train", arguments={})
    write_result(tmp_path, job, {"rung": 0})
    assert read_result(tmp_path, job) == {"rung": 0}
    (tmp_path / "jobs" / "one.json").write_text(content)
    assert read_result(tmp_path, job) is None


@pytest.mark.parametrize("name", ["loop", "dangling", "file/run", "n" * 5000])
def test_a_run_directory_that_cannot_be(bench: Bench, name: str) -> None:
    (bench.folder / "loop").symlink_to("loop")
    (bench.folder / "dangling").symlink_to("nowhere")
    (bench.folder / "file").touch()
    with pytest.raises(InputError):
        bench.run(name, trials=2)


def test_no_parent_is_left_behind(bench: Bench) -> None:
    with pytest.raises(InputError):
        bench.run("new/deep/run", trials=2, latency_budget="0.000001ms")
    assert not (bench.folder / "new").exists()


def test_a_folder_of_the_name_of_a_budget_changes_nothing(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "12ms").mkdir()
    assert bench.config(latency_budget="12ms").resolved().latency_budget == "12ms"


def test_json_of_a_study_has_no_nan(bench: Bench) -> None:
    study = bench.run("run", trials=2)
    json.dumps([record.model_dump(mode="json") for record in study.records()], allow_nan=False)
