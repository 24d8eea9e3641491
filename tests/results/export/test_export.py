"""Exports are whole or not there, and replace nothing but exports."""

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import nas_search
from nas_search.errors import InputError, RunError
from nas_search.results.export.base import ExportSource
from nas_search.results.export.export import export, fits, write_export
from nas_search.results.export.registry import EXPORTERS
from nas_search.results.export.source import find_source
from nas_search.space.architecture import Architecture

Contents = Callable[[Path], dict[str, bytes]]


@dataclass(frozen=True)
class Falling:
    """A format that writes a file and then fails."""

    error: BaseException
    name: str = "falling"
    about: str = "nothing"

    def misfit(self, architecture: Architecture) -> str | None:
        return None

    def write(self, source: ExportSource, folder: Path) -> None:
        (folder / "half.txt").write_text("half")
        raise self.error


@pytest.fixture
def free_cwd(tmp_path: Path) -> Iterator[Path]:
    before = Path.cwd()
    yield tmp_path
    os.chdir(before)


def test_python_says_the_same_as_the_command_line(kept_run: Path, tmp_path: Path) -> None:
    exported = nas_search.export(kept_run, tmp_path / "out", "yaml", pick="knee")
    assert exported.files == {"yaml": ("architecture.yaml",)}
    assert exported.folder == tmp_path / "out"
    text = (tmp_path / "out" / "architecture.yaml").read_text()
    assert Architecture.from_yaml(text) == exported.source.architecture
    mark = json.loads((tmp_path / "out" / "export.json").read_text())
    assert mark["origin"] == f"trial 23 of {kept_run}"
    assert mark["weights"] == "none"
    assert mark["files"] == ["architecture.yaml", "export.json"]


def test_several_formats_have_a_folder_each(tmp_path: Path) -> None:
    exported = export("w64 a f", tmp_path / "out", ["recipe", "yaml", "recipe"])
    assert exported.files == {"recipe": ("recipe.yaml",), "yaml": ("architecture.yaml",)}
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["export.json", "recipe", "yaml"]


def test_what_needs_no_weights_asks_for_none(unfinished_run: Path, tmp_path: Path) -> None:
    exported = export(unfinished_run, tmp_path / "out", ["yaml", "recipe"], pick="knee")
    assert exported.source.model is None
    assert "unfinished" in exported.source.notes[0]


def test_an_earlier_export_is_replaced(tmp_path: Path, contents: Contents) -> None:
    out = tmp_path / "new" / "out"
    export("w64 a f", out, "yaml")
    export("w32 d f", out, "yaml")
    assert Architecture.from_yaml((out / "architecture.yaml").read_text()).notation == "w32 d f"
    assert contents(out).keys() == {"architecture.yaml", "export.json"}
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_an_empty_folder_and_a_link_are_filled(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to("empty")
    export("w64 a f", tmp_path / "link", "yaml")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "empty" / "architecture.yaml").exists()


def _notes(out: Path) -> None:
    out.mkdir()
    (out / "notes.txt").write_text("mine")


def _notes_in_an_export(out: Path) -> None:
    export("w64 a f", out, "yaml")
    (out / "deep").mkdir()
    (out / "deep" / "notes.txt").write_text("mine")


def _another_format(out: Path) -> None:
    export("w64 a f", out, "recipe")


def _damaged_mark(out: Path) -> None:
    export("w64 a f", out, "yaml")
    (out / "export.json").write_text('{"formats": [')


def _file(out: Path) -> None:
    out.write_text("mine")


@pytest.mark.parametrize(
    ("occupy", "message"),
    [
        (_notes, "not empty and no earlier export"),
        (_notes_in_an_export, "holds deep/notes.txt, which is of no export"),
        (_another_format, "holds an export as recipe; give another folder for yaml"),
        (_damaged_mark, "not empty and no earlier export"),
        (_file, "a file"),
    ],
)
def test_an_occupied_folder_is_left_alone(
    tmp_path: Path, occupy: Callable[[Path], None], message: str, contents: Contents
) -> None:
    occupy(tmp_path / "out")
    before = contents(tmp_path)
    with pytest.raises(InputError, match=message):
        export("w64 a f", tmp_path / "out", "yaml")
    assert contents(tmp_path) == before


@pytest.mark.parametrize("out", ["~nobody-is-called-so/out", "loop", "loop/out"])
def test_a_path_that_leads_nowhere_is_bad_input(out: str, free_cwd: Path) -> None:
    os.chdir(free_cwd)
    Path("loop").symlink_to("loop")
    with pytest.raises(InputError, match=out):
        export("w64 a f", out, "yaml")
    assert [path.name for path in free_cwd.iterdir()] == ["loop"]


def test_a_network_that_does_not_fit_into_memory_is_a_run_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_large(architecture: Architecture) -> None:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    monkeypatch.setattr("nas_search.space.model.HybridLM", too_large)
    with pytest.raises(RunError, match="fresh weights of w64 a f: out of memory"):
        export("w64 a f", tmp_path / "out", "hf")
    assert not (tmp_path / "out").exists()


def test_a_run_is_not_overwritten(kept_run: Path, contents: Contents) -> None:
    before = contents(kept_run)
    for out in (kept_run, kept_run / "checkpoints"):
        with pytest.raises(InputError, match="not empty and no earlier export"):
            export(kept_run, out, "yaml")
    assert contents(kept_run) == before


def test_the_current_folder_is_not_replaced(free_cwd: Path) -> None:
    (free_cwd / "here").mkdir()
    os.chdir(free_cwd / "here")
    for out in (".", "..", "../here", "/"):
        with pytest.raises(InputError, match="current folder or one above it"):
            export("w64 a f", out, "yaml")


@pytest.mark.parametrize("error", [ValueError("a bug"), KeyboardInterrupt(), InputError("lacks a tokenizer")])
def test_nothing_is_left_of_an_export_that_fails(tmp_path: Path, error: BaseException, contents: Contents) -> None:
    export("w64 a f", tmp_path / "old", "yaml")
    before = contents(tmp_path)
    falling = Falling(error, name="yaml")
    for out in (tmp_path / "old", tmp_path / "fresh"):
        with pytest.raises(type(error)):
            write_export(find_source("w64 a f"), out, [falling], weights=False)
    assert contents(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["old"]


def test_a_full_disk_is_a_run_error(tmp_path: Path) -> None:
    full = Falling(OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(RunError, match="disk full; nothing was written"):
        write_export(find_source("w64 a f"), tmp_path / "out", [full], weights=False)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file" / "out", tmp_path / ("n" * 300)):
        with pytest.raises(InputError, match="cannot be written"):
            export("w64 a f", out, "yaml")


def test_the_older_folder_comes_back_if_the_new_one_cannot_be_put_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, contents: Contents
) -> None:
    export("w64 a f", tmp_path / "out", "yaml")
    before, rename = contents(tmp_path), Path.rename

    def fail_once(self: Path, target: Path) -> Path:
        if target.name == "out" and not self.name.endswith(".old"):
            raise OSError(errno.EIO, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_once)
    with pytest.raises(InputError, match="cannot be written: Input/output error"):
        export("w32 d f", tmp_path / "out", "yaml")
    assert contents(tmp_path) == before


def test_formats_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no format 'yml'; did you mean 'yaml'\?"):
        export("w64 a f", tmp_path / "out", "yml")
    with pytest.raises(InputError, match="no format is given; there are yaml, recipe"):
        export("w64 a f", tmp_path / "out", [])


def test_a_format_that_does_not_fit_is_told_before_anything_is_read(run: Path, tmp_path: Path) -> None:
    shutil.rmtree(run / "checkpoints")
    with pytest.raises(InputError, match=r"format 'recipe' cannot express w64 vocab=7 a: a vocabulary of 7"):
        export("w64 vocab=7 a", tmp_path / "out", ["yaml", "recipe"])
    assert not (tmp_path / "out").exists()


def test_fits_lists_every_format_in_order() -> None:
    rows = fits(Architecture.parse("w64 vocab=7 a"))
    assert [row.exporter for row in rows] == list(EXPORTERS)
    by_name = {row.exporter.name: row.misfit for row in rows}
    assert by_name["yaml"] is None
    assert by_name["recipe"] is not None
