"""The files of a job on their way to a worker and back."""

import os
from pathlib import Path

import numpy as np
import pytest

from nas_search.errors import InputError, RunError
from nas_search.proxies.data import load_corpus
from nas_search.search.executors.cluster import workplace
from nas_search.search.executors.cluster.package import copy_package
from nas_search.search.executors.cluster.shipping import all_files, changed_files, files_to_send, marks, store, unpack
from nas_search.search.executors.cluster.workplace import JobFolder, find_corpus, keep_corpus, receiving
from nas_search.search.jobs import Job, read_result, write_result

JOB = Job(name="job", kind="train", arguments={"checkpoints": "checkpoints/f", "corpus": "/driver/corpus"})


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    (folder / "checkpoints" / "f").mkdir(parents=True)
    (folder / "jobs").mkdir()
    (folder / "checkpoints" / "f" / "trunk").write_bytes(b"steps")
    (folder / "checkpoints" / "other").mkdir()
    return folder


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    folder = tmp_path / "elsewhere"
    (folder / "jobs").mkdir(parents=True)
    return folder


def test_a_job_goes_on_elsewhere_and_what_it_left_comes_back(run_dir: Path, elsewhere: Path) -> None:
    (run_dir / "checkpoints" / "other" / "trunk").write_bytes(b"not its own")
    unpack(elsewhere, files_to_send(run_dir, JOB))
    sent = marks(elsewhere)
    assert sorted(sent) == ["checkpoints/f/trunk"]
    (elsewhere / "checkpoints" / "f" / "trunk").write_bytes(b"more steps")
    (elsewhere / "checkpoints" / "w.safetensors").write_bytes(b"")
    (elsewhere / "workers.log").write_text("noise")
    there = JOB.model_copy(update={"arguments": {**JOB.arguments, "corpus": "/there"}})
    write_result(elsewhere, there, {"loss": 1.5})
    store(run_dir, JOB, changed_files(elsewhere, sent))
    assert (run_dir / "checkpoints" / "f" / "trunk").read_bytes() == b"more steps"
    assert (run_dir / "checkpoints" / "w.safetensors").read_bytes() == b""
    assert read_result(run_dir, JOB) == {"loss": 1.5}
    assert not (run_dir / "workers.log").exists()


def test_what_did_not_change_does_not_come_back(run_dir: Path) -> None:
    assert changed_files(run_dir, marks(run_dir)) == {}


@pytest.mark.parametrize("name", ["../out", "/out", "checkpoints/../../out"])
def test_no_file_leads_out_of_the_run_directory(run_dir: Path, name: str) -> None:
    with pytest.raises(RunError, match="does not belong"):
        unpack(run_dir, {name: np.zeros(1, np.uint8)})


def test_a_worker_that_sends_no_result_is_not_believed(run_dir: Path) -> None:
    with pytest.raises(RunError, match="sent no result"):
        store(run_dir, JOB, {})


def test_a_corpus_is_found_where_it_is_or_kept_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "driver"))
    text = tmp_path / "text.txt"
    text.write_text("one little duck went out one day, over the hills and far away\n" * 400)
    corpus = load_corpus(str(text))
    assert find_corpus(str(corpus.path), corpus.hash) == corpus.path
    assert find_corpus(str(corpus.path), "another") is None
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "worker"))
    assert find_corpus("/not/here", corpus.hash) is None
    with receiving(corpus.hash) as folder:
        keep_corpus(folder, ({name: content} for name, content in all_files(corpus.path)))
    assert find_corpus("/not/here", corpus.hash) == folder
    assert tmp_path / "worker" in folder.parents


def test_a_corpus_that_arrives_half_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(InputError), receiving("hash") as folder:
        keep_corpus(folder, ({"corpus.json": np.zeros(1, np.uint8)} if index else _lost() for index in (1, 0)))
    assert not folder.exists() and find_corpus("/not/here", "hash") is None


def _lost() -> dict[str, np.ndarray]:
    raise InputError("lost")


def test_the_folders_of_dead_workers_are_swept_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workplace.tempfile, "tempdir", str(tmp_path))
    living, dead = JobFolder(), tmp_path / "nas-search-worker-dead"
    dead.mkdir()
    for folder in (living.path, dead):
        os.utime(folder, (1, 1))
    young = tmp_path / "nas-search-worker-young"
    young.mkdir()
    other = JobFolder()
    assert {path.name for path in tmp_path.iterdir()} == {living.path.name, young.name, other.path.name}
    (living.path / "table.parquet").touch()
    (living.path / "workers.log").touch()
    living.empty()
    assert sorted(path.name for path in living.path.iterdir()) == ["jobs", "workers.log"]
    for folder in (living, other):
        folder.remove()
    assert not living.path.exists()


def test_the_package_is_copied_as_plain_files(tmp_path: Path) -> None:
    package = copy_package(tmp_path)
    assert (package / "search" / "executors" / "cluster" / "package.py").is_file()
    assert list(package.glob("space/zoo/*.yaml"))
    assert not any(path.is_symlink() or path.name == "__pycache__" for path in package.rglob("*"))
