"""An option out of range, on the command line: one line with the column, the option, its value and the rule."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nas_search.space.operators.registry import operator_types

Cli = Callable[..., Any]
OPTIONS = [
    (code, field.alias or name) for code, spec in operator_types().items() for name, field in spec.model_fields.items()
]


@pytest.mark.parametrize(("code", "name"), OPTIONS)
def test_show_points_at_the_option(nas_search: Cli, code: str, name: str) -> None:
    outcome = nas_search("show", f"w128 {code}[{name}=-1]")
    assert outcome.code == 2
    assert outcome.out == ""
    assert outcome.err.count("\n") == 1
    column = len(f"w128 {code}[") + 1
    assert outcome.err.startswith(f"nas-search: notation, column {column}: {name}=-1: input should be ")


def test_show_of_a_file_names_it(nas_search: Cli, tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_text("width: 128\noperators: (a swa[window=0])x2\n")
    outcome = nas_search("show", path)
    assert outcome.code == 2
    assert outcome.err.startswith(f"nas-search: architecture {path}: operators: notation, column 8: window=0: input")
    assert outcome.err.count("\n") == 1


def test_show_of_a_file_with_something_else_for_an_operator(nas_search: Cli, tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_text("width: 128\noperators: [{}]\n")
    outcome = nas_search("show", path)
    assert outcome.code == 2
    assert outcome.err == (
        f"nas-search: architecture {path}: operators.0: an operator is written as in the notation, such as a[heads=4]\n"
    )
