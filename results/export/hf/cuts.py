"""What of a definition stays behind: other packages' kernels, validation, and methods that nobody calls.

A specification of an operator becomes a plain dataclass with the same fields and the sizes that follow from them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Set
from dataclasses import dataclass

from nas_search.results.export.hf.library import Definition, Library
from nas_search.results.export.hf.source_module import Edit, Import, SourceModule

OPERATION = Definition("nas_search.space.kernels.registry", "Operation")
PORTABLE_OPERATION = Definition("nas_search.space.kernels.portable", "PortableOperation")
BUILT_IN = Definition("nas_search.space.operators.registry", "BUILT_IN")
MODEL = Import("pydantic", "BaseModel")
FIELD = Import("pydantic", "Field")
DATACLASS = Import("dataclasses", "dataclass")

# What PyTorch calls by these names.
_HOOKS = {"forward", "backward", "reset_parameters"}


@dataclass(frozen=True)
class Cuts:
    """Nodes that do not travel, and the edits that take them out."""

    nodes: Set[ast.AST]
    edits: tuple[Edit, ...]
    imports: Set[Import] = frozenset()


@dataclass(frozen=True)
class Cutter:
    """``operators`` are the names of the specifications that are needed, ``whole`` modules whose methods all stay."""

    library: Library
    operators: Set[str]
    whole: Set[str]

    def cuts(self, definition: Definition, attributes: Set[str]) -> Cuts:
        """What to take out of a definition where only methods with names among ``attributes`` are called."""
        module, node = self.library.module(definition.module), self.library.statement(definition)
        pairs = [*self._of_calls(module, node), *_own_imports(module, node)]
        if definition == BUILT_IN:
            pairs += self._unused_operators(module, node)
        if not isinstance(node, ast.ClassDef):
            return _cuts(pairs)
        pairs += _for_type_checkers(module, node)
        if definition.module not in self.whole:
            pairs += _uncalled_methods(module, node, attributes)
        if MODEL not in self.library.bases(definition):
            return _cuts(pairs)
        found = _cuts([*pairs, *self._validation(module, node, attributes)])
        start = module.span(node)[0]
        return Cuts(found.nodes, (*found.edits, Edit(start, start, "@dataclass(frozen=True)\n")), {DATACLASS})

    def _of_calls(self, module: SourceModule, node: ast.stmt) -> Iterator[tuple[ast.AST, Edit]]:
        """Operations without the kernels of other packages."""
        for call in ast.walk(node):
            if isinstance(call, ast.Call) and self._means(module, call.func, PORTABLE_OPERATION):
                for before, argument in zip(call.args[1:], call.args[2:], strict=False):
                    yield argument, Edit(module.span(before)[1], module.span(argument)[1], "")

    def _unused_operators(self, module: SourceModule, node: ast.stmt) -> list[tuple[ast.AST, Edit]]:
        value = node.value if isinstance(node, ast.AnnAssign) else None
        if not isinstance(value, ast.Tuple):
            raise ValueError(f"{module.name}: {BUILT_IN.name} is no tuple")
        names = {element: module.segment(element) for element in value.elts}
        kept = [name for name in names.values() if name in self.operators]
        start, end = module.span(value)
        edit = Edit(start, end, f"({', '.join(kept)},)")
        return [(element, edit) for element, name in names.items() if name not in self.operators]

    def _validation(
        self, module: SourceModule, node: ast.ClassDef, attributes: Set[str]
    ) -> Iterator[tuple[ast.AST, Edit]]:
        """Pydantic's part of a specification."""
        for base, after in zip(node.bases, [*node.bases[1:], None], strict=True):
            if self._means(module, base, MODEL):
                start, end = module.span(base)
                yield base, Edit(start, module.span(after)[0] if after else end, "")
        for statement in node.body:
            if isinstance(statement, ast.Assign) or _is_unused_constant(module, statement, attributes):
                yield statement, _without(module, statement)
            value = getattr(statement, "value", None)
            if isinstance(value, ast.Call) and self._means(module, value.func, FIELD):
                yield from _default_alone(module, value)

    def _means(self, module: SourceModule, node: ast.expr, what: Definition | Import) -> bool:
        return isinstance(node, ast.Name) and self.library.meaning(module.name, node.id) == what


def _cuts(pairs: list[tuple[ast.AST, Edit]]) -> Cuts:
    return Cuts({node for node, _ in pairs}, tuple({edit: None for _, edit in pairs}))


def _own_imports(module: SourceModule, node: ast.stmt) -> Iterator[tuple[ast.AST, Edit]]:
    """Imports inside functions, of what stands in the same file afterwards."""
    for statement in ast.walk(node):
        if isinstance(statement, ast.ImportFrom) and Import(statement.module or "", None).is_ours:
            start, end = module.lines_of(statement)
            yield statement, Edit(start, module.blank_lines_after(end), "")


def _for_type_checkers(module: SourceModule, node: ast.ClassDef) -> Iterator[tuple[ast.AST, Edit]]:
    for statement in node.body:
        if isinstance(statement, ast.If) and module.segment(statement.test) == "TYPE_CHECKING":
            yield statement, _without(module, statement)


def _uncalled_methods(module: SourceModule, node: ast.ClassDef, attributes: Set[str]) -> Iterator[tuple[ast.AST, Edit]]:
    for statement in node.body:
        name = statement.name if isinstance(statement, ast.FunctionDef) else "__init__"
        if not name.startswith("__") and name not in attributes | _HOOKS:
            yield statement, _without(module, statement)


def _is_unused_constant(module: SourceModule, statement: ast.stmt, attributes: Set[str]) -> bool:
    if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
        return False
    return module.segment(statement.annotation).startswith("ClassVar") and statement.target.id not in attributes


def _default_alone(module: SourceModule, field: ast.Call) -> Iterator[tuple[ast.AST, Edit]]:
    """``Field(3, gt=0)`` becomes ``3``."""
    edit = Edit(*module.span(field), module.segment(field.args[0]))
    for node in (field.func, *field.keywords):
        yield node, edit


def _without(module: SourceModule, statement: ast.stmt) -> Edit:
    start, end = module.lines_of(statement)
    return Edit(module.blank_lines_before(start), end, "")
