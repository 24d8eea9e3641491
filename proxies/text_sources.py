"""Where text comes from: the standard library of the running Python, a file, or a folder."""

import hashlib
import os
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from nas_search.errors import InputError, unreadable
from nas_search.proxies.text_files import NotTextError, read_texts
from nas_search.proxies.text_split import Document, SplitText, split_documents

EMBEDDED = "embedded"

# Tests are no prose, site-packages is not the standard library, and _sysconfigdata differs between machines.
_NOT_EMBEDDED_FOLDERS = {"test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__"}
_NOT_EMBEDDED_PREFIX = "_sysconfigdata"


class TextSource(Protocol):
    """A text that can be identified without parsing it, and read."""

    @property
    def name(self) -> str:
        """A short name for reports."""

    def files(self) -> list[tuple[str, Path]]:
        """The files that make up the text, in a fixed order, with names that do not depend on where they lie."""

    def read(self) -> SplitText:
        """Training and validation text. Raises InputError when a file cannot be read as text."""


def open_source(source: str) -> TextSource:
    """``embedded``, or the path of a text, JSONL or parquet file or of a folder. Raises InputError otherwise."""
    if source == EMBEDDED:
        return EmbeddedText(Path(sysconfig.get_path("stdlib")))
    path = Path(source).expanduser()
    if path.is_dir():
        return TextFolder(path)
    if path.is_file():
        return TextFile(path)
    raise InputError(
        f"data '{source}': no such file or folder; give a text, JSONL or parquet file, a folder, or 'embedded'"
    )


def source_digest(source: TextSource) -> str:
    """Hexadecimal SHA-256 over names and contents of the files, read in blocks. Raises InputError."""
    digest = hashlib.sha256()
    for name, path in source.files():
        try:
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").digest()
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {unreadable(error)}") from None
        digest.update(name.encode(errors="surrogateescape") + b"\0" + content)
    return digest.hexdigest()


@dataclass(frozen=True)
class EmbeddedText:
    """The ``*.py`` files of a standard library without its tests: megabytes of code and English, everywhere."""

    root: Path
    name: str = EMBEDDED

    def files(self) -> list[tuple[str, Path]]:
        """Sorted by name. Raises InputError for a Python whose library is not a folder of source files."""
        files = [
            (name, path)
            for name, path in _walk(self.root, _NOT_EMBEDDED_FOLDERS)
            if name.endswith(".py") and not path.name.startswith(_NOT_EMBEDDED_PREFIX)
        ]
        if not files:
            raise InputError(f"data 'embedded': {self.root} holds no Python sources; give a text file or a folder")
        return files

    def read(self) -> SplitText:
        """One file in ten is held out by a hash of its name; files in another encoding are left out."""
        return split_documents(list(_readable(self.files())))


@dataclass(frozen=True)
class TextFile:
    """One file: its last tenth is held out; of JSONL and parquet one record in ten, by a hash of its text."""

    path: Path

    @property
    def name(self) -> str:
        """The file's name without its folder."""
        return self.path.name

    def files(self) -> list[tuple[str, Path]]:
        """The file itself."""
        return [(self.path.name, self.path)]

    def read(self) -> SplitText:
        """Raises InputError when the file is not text."""
        return split_documents([Document(text, text) for text in read_texts(self.path)])


@dataclass(frozen=True)
class TextFolder:
    """Every text file below a folder, hidden ones left out; one in ten is held out by a hash of its name."""

    path: Path

    @property
    def name(self) -> str:
        """The folder's name without what is above it."""
        return self.path.resolve().name

    def files(self) -> list[tuple[str, Path]]:
        """Sorted by name relative to the folder."""
        return [(name, path) for name, path in _walk(self.path, set()) if not path.name.startswith(".")]

    def read(self) -> SplitText:
        """Files that are no UTF-8 text are left out. Raises InputError when no file is text."""
        documents = list(_readable(self.files()))
        if not documents:
            raise InputError(f"data '{self.path}': no text file in this folder; give one with UTF-8 text in it")
        return split_documents(documents)


def _walk(root: Path, skip: set[str]) -> Iterator[tuple[str, Path]]:
    """Files below ``root`` with their relative POSIX names, sorted; hidden and ``skip`` folders are not entered."""
    found = []
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in skip and not name.startswith(".")]
        found += [(Path(folder, name).relative_to(root).as_posix(), Path(folder, name)) for name in files]
    return iter(sorted((name, path) for name, path in found if path.is_file()))


def _readable(files: list[tuple[str, Path]]) -> Iterator[Document]:
    """The files as documents. One that is no text is left out; a broken record file still is an error."""
    for name, path in files:
        try:
            yield Document(name, "\n".join(read_texts(path)))
        except NotTextError:
            continue
