"""Shell lines taken apart into commands, and what is checked of those that are not ours."""

import re
import shlex
import tomllib
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from doc_pages import ROOT
from typer.main import get_command

from nas_search.cli.main import app

_ASSIGNMENT = re.compile(r"[A-Z_]+=.*")
_PREFIXES = {"time"}
_SEPARATORS = {"&&", "||", "|", ";", "&"}
_PACKAGE = re.compile(r"[A-Za-z0-9._-]+(\[[a-z,-]+\])?([<>=~!]=?[0-9.]+)?")


def commands(shell: str) -> Iterator[list[str]]:
    """The words of every simple command, without comments, variables and ``time``."""
    for line in shell.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars="&|;")
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, ";"]:
            if word not in _SEPARATORS:
                words.append(word)
                continue
            while words and (words[0] in _PREFIXES or _ASSIGNMENT.fullmatch(words[0])):
                words.pop(0)
            if words:
                yield words
            words = []


def options_of(words: list[str]) -> tuple[str, set[str]]:
    """The command that ``nas-search table show x`` names, and its options. Raises KeyError if there is none."""
    command: Any = get_command(app)
    name = words[0]
    for word in words[1:]:
        members = getattr(command, "commands", None)
        if members is None or not re.fullmatch(r"[a-z][a-z-]*", word):
            break
        command, name = members[word], f"{name} {word}"
    return name, {option for parameter in command.params for option in parameter.opts} | {"--help", "-h"}


def check_foreign(words: list[str]) -> None:
    """A command of another program: what it names has to be there."""
    FOREIGN[words[0]](words[1:])


def _check_pip(arguments: list[str]) -> None:
    command, *rest = arguments
    assert command == "install"
    words = iter(rest)
    for word in words:
        if word == "-e":
            _check_project(next(words))
        else:
            assert word.startswith("--") or _PACKAGE.fullmatch(word), word


def _check_project(text: str) -> None:
    """A folder with a project, and extras that it has."""
    folder, _, extras = text.removesuffix("]").partition("[")
    project = tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]
    unknown = {extra for extra in extras.split(",") if extra} - set(project.get("optional-dependencies", {}))
    assert not unknown, f"no extra {unknown}"


def _check_python(arguments: list[str]) -> None:
    if arguments[0] == "-m":
        assert arguments[1] == "venv"
    else:
        _check_script(arguments[0], arguments[1:])


def _check_script(script: str, arguments: list[str]) -> None:
    """One of the repository that says something of each option."""
    text = (ROOT / script).read_text()
    unknown = [word for word in arguments if word.startswith("--") and word not in text]
    assert not unknown, f"{script} knows no {unknown}"


def _check_paths(arguments: list[str]) -> None:
    missing = [word for word in arguments if "/" in word and not (ROOT / word).exists()]
    assert not missing, f"no {missing}"


def _check_tool(name: str) -> Callable[[list[str]], None]:
    def check(arguments: list[str]) -> None:
        assert any(line.startswith(name) for line in _dev_extra()), f"{name} is not in the extra 'dev'"
        _check_paths(arguments)

    return check


@cache
def _dev_extra() -> tuple[str, ...]:
    return tuple(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["dev"])


FOREIGN: dict[str, Callable[[list[str]], None]] = {
    "pip": _check_pip,
    "python": _check_python,
    "python3": _check_python,
    ".": lambda arguments: None,  # activates an environment that the command before has made
    "experiments/h100/run.sh": lambda arguments: _check_script("experiments/h100/run.sh", arguments),
    **{name: _check_tool(name) for name in ("ruff", "mypy", "pytest", "mkdocs")},
}
