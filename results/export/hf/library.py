"""Our modules, and what the names in them stand for."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from nas_search.results.export.hf.source_module import Import, SourceModule


class Definition(NamedTuple):
    """A name at the top level of one of our modules."""

    module: str
    name: str


@dataclass(frozen=True)
class Library:
    """``instead`` has definitions that others take the place of, ``apart`` modules that stay modules of their own.

    For the latter the value is the name under which they are imported.
    """

    instead: Mapping[Definition, Definition]
    apart: Mapping[str, str]
    _modules: dict[str, SourceModule] = field(default_factory=dict, init=False)

    def module(self, name: str) -> SourceModule:
        """The module, read when it is first asked for."""
        if name not in self._modules:
            self._modules[name] = SourceModule.load(name)
        return self._modules[name]

    def statement(self, definition: Definition) -> ast.stmt:
        """The statement that defines it."""
        return self.module(definition.module).definitions[definition.name]

    def meaning(self, module: str, name: str) -> Definition | Import | None:
        """What a name in a module stands for: ours, another package's, or nothing at the top level.

        Raises ValueError for a module of ours that is used as an object, since it cannot be flattened.
        """
        source = self.module(module)
        if name in source.definitions:
            found = Definition(module, name)
            return self.instead.get(found, found)
        imported = source.imports.get(name)
        if imported is None or not imported.is_ours:
            return imported
        if imported.module in self.apart:
            return Import(self.apart[imported.module], imported.name)
        meaning = None if imported.name is None else self.meaning(imported.module, imported.name)
        if meaning is None:
            raise ValueError(f"{module}: {name} is a module, not something that it defines")
        return meaning

    def bases(self, definition: Definition) -> list[Definition | Import]:
        """The bases of a class, those of its bases too."""
        node = self.statement(definition)
        if not isinstance(node, ast.ClassDef):
            return []
        names = [base.id for base in node.bases if isinstance(base, ast.Name)]
        direct = [base for name in names if (base := self.meaning(definition.module, name))]
        further = (self.bases(base) for base in direct if isinstance(base, Definition))
        return [*direct, *(base for bases in further for base in bases)]

    def in_order(self, modules: list[str]) -> list[str]:
        """These modules and all that they import, in the order in which Python would run them."""
        order: dict[str, None] = {}
        for name in modules:
            self._append(name, order, set())
        return list(order)

    def _append(self, name: str, order: dict[str, None], entered: set[str]) -> None:
        if name in order or name in entered or name in self.apart:
            return
        entered.add(name)
        for imported in self.module(name).imported_first:
            self._append(imported, order, entered)
        order[name] = None
