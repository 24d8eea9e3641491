"""Every command and every Python snippet that the README and the pages show is run, in their order.

Commands of ours run in a folder with small runs and tables, through the code that a terminal would run. Only the
functions in ``doc_workspace.DEAR`` are replaced, which measure, train, trace or serve: what comes before them, the
options, files, spaces, architectures and workloads, is read as ever. What other programs are asked for is looked up.
"""

import ast
import re
import shutil
import sys
from importlib import import_module
from pathlib import Path

import pytest
from doc_commands import FOREIGN, check_foreign, commands, options_of
from doc_pages import Block, blocks, inline_code, pages
from doc_workspace import NEEDS_GPU, GotThere, stand_in

from nas_search.cli.main import main

PAGES = [pytest.param(path, id=path.name) for path in pages()]
OPTION = re.compile(r"--[a-z][a-z-]+")


@pytest.fixture
def there(
    workspace: Path,
    example_operator: None,
    no_kernel_packages: None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Path:
    """In a workspace of one's own, with stand-ins for what takes minutes."""
    here = Path(shutil.copytree(workspace, tmp_path / "here", symlinks=True))
    monkeypatch.chdir(here)
    stand_in(monkeypatch, here)
    return here


@pytest.mark.usefixtures("modules_cache")
@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_shows_works(page: Path, there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for block in blocks(page):
        if block.language == "bash":
            for words in commands(block.text):
                _run(words, block, monkeypatch)
        elif block.language == "python":
            _execute(block)


def _run(words: list[str], block: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    if words[0] != "nas-search":
        check_foreign(words)
        return
    monkeypatch.setattr(sys, "argv", words)
    try:
        main()
    except GotThere:
        pass
    except SystemExit as end:
        assert not end.code, f"{block.place}: {' '.join(words)} ended with {end.code}"


def _execute(block: Block) -> None:
    program = compile(block.text, block.place, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    if block.shown:
        return  # a file of a package that has tests of its own
    if NEEDS_GPU.search(block.text):
        _look_up_imports(block.text)
    else:
        exec(program, {"__name__": "__main__"})


def _look_up_imports(program: str) -> None:
    for node in ast.walk(ast.parse(program)):
        if isinstance(node, ast.ImportFrom):
            module = import_module(str(node.module))
            assert all(hasattr(module, name.name) for name in node.names), ast.unparse(node)
        elif isinstance(node, ast.Import):
            for name in node.names:
                import_module(name.name)


@pytest.mark.parametrize("page", PAGES)
def test_commands_in_sentences_exist(page: Path) -> None:
    for code in inline_code(page):
        words = code.text.split()
        if words[0] != "nas-search":
            continue
        try:
            name, known = options_of(words)
        except KeyError as missing:
            pytest.fail(f"{code.place}: '{code.text}': no command {missing}")
        unknown = set(OPTION.findall(code.text)) - known
        assert not unknown, f"{code.place}: {name} has no {unknown}"


@pytest.mark.parametrize("page", PAGES)
def test_options_in_sentences_exist(page: Path) -> None:
    """Those of any command of ours, or of another program that a page shows."""
    known = _known_options()
    for code in inline_code(page):
        if code.text.startswith("--"):
            assert code.text.split()[0].partition("=")[0] in known, f"{code.place}: no command has {code.text}"


def _known_options() -> set[str]:
    from reference import commands as all_commands

    known = {option for name in all_commands() for option in options_of(name.split())[1]}
    shown = (block.text for page in pages() for block in blocks(page) if block.language == "bash")
    foreign = (words for text in shown for words in commands(text) if words[0] in FOREIGN)
    return known | {word for words in foreign for word in words if word.startswith("--")}


def test_lines_are_taken_apart() -> None:
    shell = "A=1 time nas-search show 'w64 a | f' && pip install -e . | cat  # why\nnas-search \\\n    --seed 1\n"
    found = [["nas-search", "show", "w64 a | f"], ["pip", "install", "-e", "."], ["cat"], ["nas-search", "--seed", "1"]]
    assert list(commands(shell)) == found


@pytest.mark.parametrize(
    "command",
    [
        "pip install -e '.[nonsense]'",
        "python experiments/none.py",
        "pytest none/at/all",
        "experiments/h100/run.sh --no",
    ],
)
def test_wrong_commands_of_others_are_noticed(command: str) -> None:
    (words,) = commands(command)
    with pytest.raises((AssertionError, OSError)):
        check_foreign(words)


def test_unknown_commands_and_programs_are_noticed() -> None:
    for check, words in ((options_of, ["nas-search", "nonsense"]), (check_foreign, ["nonsense"])):
        with pytest.raises(KeyError):
            check(words)
