"""One of our modules as text: its definitions, its imports, and edits by position that keep comments and layout."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from typing import NamedTuple, cast

PACKAGE = "nas_search"


class Import(NamedTuple):
    """``from module import name``, or ``import module`` where there is no name."""

    module: str
    name: str | None

    @property
    def is_ours(self) -> bool:
        """Whether it is from this package."""
        return self.module.split(".")[0] == PACKAGE


class Edit(NamedTuple):
    """Bytes from ``start`` to ``end`` become ``text``."""

    start: int
    end: int
    text: str


@dataclass(frozen=True)
class SourceModule:
    """A module's text and syntax tree."""

    name: str
    text: str
    tree: ast.Module

    @classmethod
    def load(cls, name: str) -> SourceModule:
        """Read a module without running it. Raises ImportError if there is no such module, or no source."""
        spec = find_spec(name)
        loader = None if spec is None else spec.loader
        text = None if loader is None else loader.get_source(name)  # type: ignore[attr-defined]
        if text is None:
            raise ImportError(f"{name}: no source to be read")
        return cls(name, text, ast.parse(text))

    @cached_property
    def definitions(self) -> dict[str, ast.stmt]:
        """Top-level statements by the names that they define, in order."""
        return {name: node for node in self.tree.body for name in _defined(node)}

    @cached_property
    def imports(self) -> dict[str, Import]:
        """What imported names mean, those of type checkers and of functions too."""
        found = {}
        for node in ast.walk(self.tree):
            for alias in node.names if isinstance(node, ast.Import | ast.ImportFrom) else ():
                local = alias.asname or alias.name
                is_from = isinstance(node, ast.ImportFrom)
                module = (node.module or "") if isinstance(node, ast.ImportFrom) else alias.name
                found[local] = Import(module, alias.name if is_from else None)
        return found

    @cached_property
    def imported_first(self) -> list[str]:
        """Modules of ours that have to run before this one, in order."""
        froms = (node for node in self.tree.body if isinstance(node, ast.ImportFrom))
        return [node.module for node in froms if node.module and Import(node.module, None).is_ours]

    @property
    def about(self) -> str:
        """The docstring."""
        return ast.get_docstring(self.tree) or ""

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Where the node stands, in bytes."""
        node = cast(ast.expr, node)
        start = self._line_starts[node.lineno - 1] + node.col_offset
        return start, self._line_starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)

    def segment(self, node: ast.AST) -> str:
        """The node's text."""
        start, end = self.span(node)
        return self._bytes[start:end].decode()

    def defined_name_span(self, node: ast.stmt, name: str) -> tuple[int, int]:
        """Where a definition says the name that it defines."""
        if isinstance(node, ast.Assign | ast.AnnAssign):
            return next(self.span(each) for each in ast.walk(node) if isinstance(each, ast.Name) and each.id == name)
        start = self._line_starts[node.lineno - 1] + node.col_offset
        start = self._bytes.index(f" {name}".encode(), start) + 1
        return start, start + len(name.encode())

    def lines_of(self, node: ast.stmt) -> tuple[int, int]:
        """The whole lines of a statement in bytes, with its decorators and the comments right above it."""
        first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))])
        while first > 1 and self._lines[first - 2].lstrip().startswith(b"#"):
            first -= 1
        return self._line_starts[first - 1], self._line_starts[self._last_line(node)]

    def blank_lines_before(self, offset: int) -> int:
        """Where the blank lines begin that end at ``offset``."""
        line = self._line_starts.index(offset)
        while line > 0 and not self._lines[line - 1].strip():
            line -= 1
        return self._line_starts[line]

    def blank_lines_after(self, offset: int) -> int:
        """Where the blank lines end that begin at ``offset``."""
        line = self._line_starts.index(offset)
        while line < len(self._lines) and not self._lines[line].strip():
            line += 1
        return self._line_starts[line]

    def edited(self, node: ast.stmt, edits: Iterable[Edit]) -> str:
        """The statement's lines after edits within it. An edit inside another one is lost with what it stands in."""
        start, end = self.lines_of(node)
        parts, at = [], start
        for edit in sorted(edits, key=lambda edit: (edit.start, -edit.end)):
            if edit.start >= at:
                parts += [self._bytes[at : edit.start].decode(), edit.text]
                at = edit.end
        return "".join([*parts, self._bytes[at:end].decode()]).strip("\n")

    def _last_line(self, node: ast.stmt) -> int:
        """The docstring below a constant belongs to it."""
        last = node.end_lineno or node.lineno
        for after in self.tree.body:
            is_text = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
            if after.lineno == last + 1 and is_text and not isinstance(node, ast.FunctionDef | ast.ClassDef):
                return after.end_lineno or last
        return last

    @cached_property
    def _bytes(self) -> bytes:
        return self.text.encode()

    @cached_property
    def _lines(self) -> list[bytes]:
        return self._bytes.splitlines(keepends=True)

    @cached_property
    def _line_starts(self) -> list[int]:
        starts = [0]
        for line in self._lines:
            starts.append(starts[-1] + len(line))
        return starts


def _defined(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            yield from (name.id for name in ast.walk(target) if isinstance(name, ast.Name))
