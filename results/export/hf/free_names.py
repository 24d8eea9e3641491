"""Which names of a module a piece of its code refers to."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable


def free_names(node: ast.AST, without: Collection[ast.AST]) -> list[ast.Name]:
    """Names that ``node`` reads and does not define itself, builtins among them; nodes in ``without`` do not count."""
    finder = _Finder(without)
    finder.visit(node)
    return finder.found


def attribute_names(node: ast.AST, without: Collection[ast.AST]) -> set[str]:
    """Every name after a dot, outside of the nodes in ``without``."""
    if node in without:
        return set()
    own = {node.attr} if isinstance(node, ast.Attribute) else set()
    return own.union(*(attribute_names(child, without) for child in ast.iter_child_nodes(node)))


class _Finder(ast.NodeVisitor):
    def __init__(self, without: Collection[ast.AST]) -> None:
        self.found: list[ast.Name] = []
        self._without = without
        self._locals: list[set[str]] = []

    def visit(self, node: ast.AST) -> None:
        if node not in self._without:
            super().visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load) and not any(node.id in names for names in self._locals):
            self.found.append(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        arguments = _arguments(node.args)
        annotations = [argument.annotation for argument in arguments if argument.annotation is not None]
        self._visit_all([*node.decorator_list, *_defaults(node.args), *annotations])
        if node.returns is not None:
            self.visit(node.returns)
        self._locals.append({argument.arg for argument in arguments} | _stored(node.body))
        self._visit_all(node.body)
        self._locals.pop()

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._visit_all(_defaults(node.args))
        self._locals.append({argument.arg for argument in _arguments(node.args)})
        self.visit(node.body)
        self._locals.pop()

    def _visit_all(self, nodes: Iterable[ast.AST]) -> None:
        for node in nodes:
            self.visit(node)


def _arguments(args: ast.arguments) -> list[ast.arg]:
    rest = [argument for argument in (args.vararg, args.kwarg) if argument is not None]
    return [*args.posonlyargs, *args.args, *args.kwonlyargs, *rest]


def _defaults(args: ast.arguments) -> list[ast.expr]:
    return [*args.defaults, *(default for default in args.kw_defaults if default is not None)]


def _stored(body: Iterable[ast.stmt]) -> set[str]:
    """Names that a function's body assigns, those of functions in it too."""
    nodes = [node for statement in body for node in ast.walk(statement)]
    names = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return names | {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
