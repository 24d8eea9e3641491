"""The documents of all files that a corpus is prepared from, in a fixed order."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from nas_search.errors import InputError
from nas_search.proxies.shards.index import is_shard_folder
from nas_search.proxies.text_files import NotTextError
from nas_search.proxies.text_sources import TextFile, TextFolder, open_source
from nas_search.proxies.text_stream import StreamedText, stream_texts

_DATASET_STATE, _DATASET_FILES = "state.json", {"state.json", "dataset_info.json", "dataset_dict.json"}
"""What ``datasets`` writes beside the Arrow files of a dataset that it saves on disk."""


@dataclass(frozen=True)
class SourceFile:
    """A file, its name without the folders above the source, its bytes, and whether a user named it."""

    name: str
    path: Path
    size: int
    named: bool

    def documents(self, field: str, skip: Callable[[Path], None]) -> Iterator[StreamedText]:
        """Its documents; a file in a folder that is no text from the start has none, and ``skip`` is told."""
        begun = False
        try:
            for document in stream_texts(self.path, field):
                begun = True
                yield document
        except NotTextError:
            if self.named or begun:
                raise
            skip(self.path)


def find_files(sources: Sequence[str], out: Path) -> tuple[SourceFile, ...]:
    """The files of ``sources`` in their order, those of a folder sorted by name, without those in the folder ``out``.

    Of a dataset that ``datasets`` saved on disk they are its Arrow files. Raises InputError.
    """
    return tuple(file for source in sources for file in _files_of(source, out.resolve()))


def sources_name(sources: Sequence[str]) -> str:
    """A short name for reports."""
    first = open_source(sources[0]).name
    return first if len(sources) == 1 else f"{first} and {len(sources) - 1} more"


def names_digest(files: Sequence[SourceFile]) -> str:
    """A hash of the names and their order."""
    names = json.dumps([file.name for file in files])
    return hashlib.sha256(names.encode()).hexdigest()[:16]


def _files_of(source: str, out: Path) -> Iterator[SourceFile]:
    found = open_source(source)
    if isinstance(found, TextFolder) and is_shard_folder(found.path):
        raise InputError(f"{source}: holds prepared data; give it as --data, or the texts that it was made from")
    files = _without_dataset_notes(found.files())
    if isinstance(found, TextFolder) and out.is_relative_to(found.path.resolve()):
        files = [(name, path) for name, path in files if not path.resolve().is_relative_to(out)]
    if not files:
        raise InputError(f"data '{source}': no file in this folder; give one with text in it")
    for name, path in files:
        yield SourceFile(name, path, path.stat().st_size, named=isinstance(found, TextFile))


def _without_dataset_notes(files: list[tuple[str, Path]]) -> list[tuple[str, Path]]:
    kept = []
    for folder, group in groupby(sorted(files, key=lambda file: file[1].parent), key=lambda file: file[1].parent):
        kept += _dataset_files(folder, list(group))
    return sorted(kept)


def _dataset_files(folder: Path, files: list[tuple[str, Path]]) -> list[tuple[str, Path]]:
    """All of a folder's files, or those that the state of a saved dataset lists."""
    if any(path.name == "dataset_dict.json" for _, path in files):
        return [file for file in files if file[1].name not in _DATASET_FILES]
    listed = _listed(folder / _DATASET_STATE)
    return [file for file in files if file[1].name in listed] if listed else files


def _listed(state: Path) -> set[str]:
    """The names of a saved dataset's data files; none if ``state`` is no such file."""
    try:
        return {str(entry["filename"]) for entry in json.loads(state.read_bytes())["_data_files"]}
    except (OSError, ValueError, KeyError, TypeError):
        return set()
