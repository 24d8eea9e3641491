"""What every format has to do, whichever it is."""

import errno
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from nas_search.errors import RunError
from nas_search.results.export.base import Exporter, ExportSource
from nas_search.results.export.export import write_export
from nas_search.results.export.registry import EXPORTERS, SPECIFICATIONS
from nas_search.results.export.source import find_source
from nas_search.space.architecture import Architecture

# Small networks, one for each family of formats at least.
FITTING = (
    "w64 d f m2 f a f", "w64 a f a f", "w64 m2 m2", "w64 m m", "w64 m2 f a f", "w64 (gd f)x3 a f", "w64 gd f gd f",
    "w64 d f d f", "w64 gla f gla f", "w64 r7 f", "w128 d f m2 f a f", "w64 (swa f)x2", "w64 (a[qkv_bias=yes] f)x2",
    "w64 (a[qk_norm=yes] f)x2",
)  # fmt: skip
# Every mixer, alone and beside others, in an order that nobody else has.
STRANGE = ("w64 f f a", "w64 a m2 d gd", "w64 r7", "w64 f swa[window=16] m", "w64 gla a r7 f m", "w64 meta=4 d a")


def fitting(exporter: Exporter) -> str:
    """A small network that has this format."""
    found = next((text for text in FITTING if exporter.misfit(Architecture.parse(text)) is None), None)
    assert found is not None, f"{exporter.name}: fits none of {FITTING}; add a small network that does"
    return found


def exporters() -> list[object]:
    return [pytest.param(exporter, id=exporter.name) for exporter in EXPORTERS]


def test_names_are_words_and_different() -> None:
    names = [exporter.name for exporter in EXPORTERS]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9]+([_-][a-z0-9]+)*", name) for name in names)


def test_specifications_are_formats() -> None:
    assert set(SPECIFICATIONS) <= set(EXPORTERS)


@pytest.mark.parametrize("exporter", exporters())
def test_about_is_a_few_words_on_one_line(exporter: Exporter) -> None:
    assert 0 < len(exporter.about) <= 100
    assert "\n" not in exporter.about and not exporter.about.endswith(".")


@pytest.mark.parametrize("exporter", exporters())
def test_what_fits_is_written_with_weights(exporter: Exporter, tmp_path: Path) -> None:
    exported = write_export(find_source(fitting(exporter)), tmp_path / "out", [exporter])
    names = exported.files[exporter.name]
    assert names
    assert all((tmp_path / "out" / name).stat().st_size > 0 for name in names)
    mark = json.loads((tmp_path / "out" / "export.json").read_text())
    assert mark["formats"] == [exporter.name]
    assert mark["weights"] == ("none" if exporter in SPECIFICATIONS else "fresh")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("exporter", exporters())
def test_a_second_export_replaces_the_first(exporter: Exporter, tmp_path: Path) -> None:
    first = write_export(find_source(fitting(exporter)), tmp_path / "out", [exporter]).files
    second = write_export(find_source(fitting(exporter)), tmp_path / "out", [exporter]).files
    assert first == second


@dataclass(frozen=True)
class FullDisk:
    """A format on a disk that is full when all is written."""

    exporter: Exporter

    @property
    def name(self) -> str:
        return self.exporter.name

    @property
    def about(self) -> str:
        return self.exporter.about

    def misfit(self, architecture: Architecture) -> str | None:
        return self.exporter.misfit(architecture)

    def write(self, source: ExportSource, folder: Path) -> None:
        self.exporter.write(source, folder)
        assert list(folder.iterdir())
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("exporter", exporters())
def test_nothing_half_written_when_writing_fails(exporter: Exporter, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="disk full"):
        write_export(find_source(fitting(exporter)), tmp_path / "out", [FullDisk(exporter)])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("exporter", exporters())
def test_only_the_given_folder_is_written(exporter: Exporter, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "beside").write_text("as it was")
    exporter.write(find_source(fitting(exporter)).network(weights=True), tmp_path / "mine")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["beside", "mine"]
    assert not [path for path in (tmp_path / "mine").rglob("*") if path.is_symlink()]


@pytest.mark.parametrize("exporter", exporters())
@pytest.mark.parametrize("text", STRANGE)
def test_a_misfit_names_an_operator(exporter: Exporter, text: str) -> None:
    architecture = Architecture.parse(text)
    reason = exporter.misfit(architecture)
    if reason is None:
        return
    assert "\n" not in reason and not reason.endswith(".")
    words = {word for operator in architecture.operators for word in (operator.code, operator.notation, operator.title)}
    named = any(re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", reason) for word in words)
    assert named or (architecture.meta_tokens and "meta token" in reason), reason


@pytest.mark.parametrize("exporter", exporters())
def test_the_same_source_gives_the_same_files(exporter: Exporter, tmp_path: Path) -> None:
    source = find_source(fitting(exporter)).network(weights=True)
    source = replace(source, figures=(("bits per byte", "1.2345, one seed"),))
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        exporter.write(source, tmp_path / name)
    one, other = (
        {
            path.relative_to(tmp_path / name): path.read_bytes()
            for path in (tmp_path / name).rglob("*")
            if path.is_file()
        }
        for name in ("one", "other")
    )
    assert one == other
