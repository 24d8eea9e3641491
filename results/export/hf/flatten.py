"""One module that stands alone, made of what some definitions of ours need.

Definitions are taken over as they are written, with their comments; a name that two modules define gets the name of its
module before it.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import NamedTuple

from nas_search.results.export.hf.cuts import Cuts, Cutter
from nas_search.results.export.hf.free_names import attribute_names, free_names
from nas_search.results.export.hf.library import Definition, Library
from nas_search.results.export.hf.source_module import Edit, Import

_FOR_CHECKERS = re.compile(r"  # (type: ignore|noqa|fmt:).*")
_RULE = "# " + "-" * 118


@dataclass(frozen=True)
class Flattened:
    """``cuts`` has what is taken out of every definition that is needed, in the order in which they have to stand."""

    library: Library
    cuts: Mapping[Definition, Cuts]

    @classmethod
    def of(cls, roots: Iterable[Definition], cutter: Cutter) -> Flattened:
        """What the roots need, and what that needs."""
        found: dict[Definition, _Contents] = {}
        attributes: set[str] = set()
        todo = list(roots)
        while todo:
            found |= {each: _Contents.of(each, cutter, attributes) for each in todo}
            called = set[str]().union(*(contents.attributes for contents in found.values()))
            # A method that was cut may have been called since.
            again = [each for each, contents in found.items() if contents.cuts.nodes] if called > attributes else []
            needed = (meaning for contents in found.values() for meaning in contents.needs if meaning not in found)
            attributes, todo = called, list(dict.fromkeys([*again, *needed]))
        return cls(cutter.library, {each: found[each].cuts for each in _in_order(cutter.library, list(found))})

    @property
    def modules(self) -> list[str]:
        """The modules that something is from, in order."""
        return list(dict.fromkeys(definition.module for definition in self.cuts))

    def text(self) -> str:
        """Imports, then a section for each module, headed by its docstring."""
        names = _final_names(self.cuts)
        sections = [self._section(module, names) for module in self.modules]
        return f"{_imports(self._external())}\n" + "\n\n".join(sections)

    def _section(self, module: str, names: Mapping[Definition, str]) -> str:
        source = self.library.module(module)
        statements = {source.definitions[each.name]: each for each in self.cuts if each.module == module}
        about = "\n".join(f"# {line}".rstrip() for line in [module, "", *source.about.splitlines()])
        text, end = f"{_RULE}\n{about}\n{_RULE}\n\n\n", -1
        for node, definition in statements.items():
            edits = [*self.cuts[definition].edits, *self._renames(definition, names)]
            own = _FOR_CHECKERS.sub("", source.edited(node, edits))
            start, next_end = source.lines_of(node)
            # Constants that stand together stay together.
            text = f"{text.rstrip()}\n{own}\n" if start == end else f"{text}{own}\n"
            text, end = f"{text}\n\n", next_end
        return text.rstrip("\n") + "\n"

    def _renames(self, definition: Definition, names: Mapping[Definition, str]) -> Iterator[Edit]:
        module, node = self.library.module(definition.module), self.library.statement(definition)
        for name in free_names(node, self.cuts[definition].nodes):
            meaning = self.library.meaning(module.name, name.id)
            if isinstance(meaning, Definition) and names[meaning] != name.id:
                yield Edit(*module.span(name), names[meaning])
        if names[definition] != definition.name:
            yield Edit(*module.defined_name_span(node, definition.name), names[definition])

    def _external(self) -> dict[Import, str]:
        """What is imported from elsewhere, by the name that it gets."""
        found: dict[Import, str] = {}
        for definition, cuts in self.cuts.items():
            found |= {each: each.name or each.module for each in cuts.imports}
            for name in free_names(self.library.statement(definition), cuts.nodes):
                meaning = self.library.meaning(definition.module, name.id)
                if isinstance(meaning, Import):
                    found[meaning] = name.id
        return found


class _Contents(NamedTuple):
    """What a definition consists of after its cuts: other definitions that it needs, and names after dots."""

    cuts: Cuts
    needs: frozenset[Definition]
    attributes: frozenset[str]

    @classmethod
    def of(cls, definition: Definition, cutter: Cutter, attributes: Set[str]) -> _Contents:
        node, cuts = cutter.library.statement(definition), cutter.cuts(definition, attributes)
        names = (cutter.library.meaning(definition.module, name.id) for name in free_names(node, cuts.nodes))
        needs = frozenset(meaning for meaning in names if isinstance(meaning, Definition))
        return cls(cuts, needs, frozenset(attribute_names(node, cuts.nodes)))


def _in_order(library: Library, definitions: Sequence[Definition]) -> list[Definition]:
    """By module in the order of imports, the first definition's last; inside a module as they stand there."""
    root = definitions[0].module
    others = {each.module for each in definitions if each.module.rpartition(".")[0] != root.rpartition(".")[0]}
    modules = library.in_order([*sorted(others), root])
    places = {
        Definition(module, name): (modules.index(module), place)
        for module in modules
        for place, name in enumerate(library.module(module).definitions)
    }
    return sorted(definitions, key=places.__getitem__)


def _final_names(definitions: Iterable[Definition]) -> dict[Definition, str]:
    counts = Counter(each.name for each in definitions)
    return {each: each.name if counts[each.name] == 1 else _prefixed(each) for each in definitions}


def _prefixed(definition: Definition) -> str:
    """``NORM_EPS`` of ``operators.mamba2.module`` becomes ``MAMBA2_NORM_EPS``, ``_Scan`` becomes ``_Mamba2Scan``."""
    prefix = "_".join(definition.module.split(".")[3:]).removesuffix("_module")
    name = definition.name.lstrip("_")
    private = "_" * (len(definition.name) - len(name))
    if name.isupper():
        return f"{private}{prefix.upper()}_{name}"
    if name[0].isupper():
        return f"{private}{prefix.title().replace('_', '')}{name}"
    return f"{private}{prefix}_{name}"


def _imports(external: Mapping[Import, str]) -> str:
    """The standard library's first, then other packages', then neighbours'."""
    lines: dict[int, list[str]] = {}
    modules = sorted({each.module for each in external if each.name is not None}, key=str.lower)
    for each, local in sorted(external.items(), key=lambda item: item[0].module):
        if each.name is None:
            lines.setdefault(_group(each.module), []).append(f"import {each.module}" + _alias(each.module, local))
    for module in modules:
        named = {each.name: local for each, local in external.items() if each.module == module and each.name}
        names = ", ".join(name + _alias(name, named[name]) for name in sorted(named, key=_isort_key))
        lines.setdefault(_group(module), []).append(f"from {module} import {names}")
    return "\n\n".join("\n".join(lines[group]) for group in sorted(lines)) + "\n"


def _group(module: str) -> int:
    if module.startswith("."):
        return 2
    return 0 if module.split(".", maxsplit=1)[0] in sys.stdlib_module_names else 1


def _alias(name: str, local: str) -> str:
    return "" if name == local else f" as {local}"


def _isort_key(name: str) -> tuple[int, str]:
    """Constants, classes, then the rest."""
    return (0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2, name)
