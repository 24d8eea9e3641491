"""Operators that other packages announce, and what is said when something is wrong with one."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nas_search.errors import InputError
from nas_search.space.operators.entry_points import OperatorImportWarning, announced_operators
from nas_search.space.operators.registry import BUILT_IN

Announce = Callable[..., None]
TAKEN = [spec.code for spec in BUILT_IN]

OPERATOR = """
from nas_search.space.operators.ffn.spec import FeedForward
class Twin(FeedForward):
    code = "{code}"
    title = "Twin"
"""


@pytest.fixture
def announce(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Announce:
    """Installs a package of one module that announces ``entry``, e.g. ``mine = module:Class``."""

    def install(package: str, source: str, entry: str) -> None:
        folder = tmp_path / "site"
        information = folder / f"{package}-1.0.dist-info"
        information.mkdir(parents=True)
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (information / "entry_points.txt").write_text(f"[nas_search.operators]\n{entry}\n")
        (folder / f"{package}.py").write_text(source)
        monkeypatch.syspath_prepend(str(folder))
        monkeypatch.delitem(sys.modules, package, raising=False)

    return install


def show(*sites: Path) -> subprocess.CompletedProcess[str]:
    """``nas-search show`` of built-in operators, in a process that finds the packages of ``sites``."""
    command = "import sys; sys.argv = ['nas-search', 'show', 'w64 a f']; from nas_search.cli.main import main; main()"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([*map(str, sites), *filter(None, sys.path)])}
    return subprocess.run([sys.executable, "-c", command], env=environment, capture_output=True, text=True, check=False)


def test_an_announced_operator_is_known_by_its_code(announce: Announce) -> None:
    announce("fine_twin", OPERATOR.format(code="twin"), "twin = fine_twin:Twin")
    found = announced_operators(TAKEN)
    assert found["twin"].title == "Twin"
    assert found["twin"]().notation == "twin"


@pytest.mark.parametrize(
    ("source", "entry", "message"),
    [
        ("Thing = 3", "thing = bad:Thing", "bad:Thing is not a subclass of OperatorSpec"),
        ("class Thing: pass", "thing = bad:Thing", "bad:Thing is not a subclass of OperatorSpec"),
        (
            "from nas_search.space.operators.base import OperatorSpec\nclass Half(OperatorSpec): code = 'half'",
            "half = bad:Half",
            "bad:Half does not define build, check, flops, parameters, reference, state_elements, title",
        ),
        (OPERATOR.format(code="twin"), "other = bad:Twin", "the code of bad:Twin is 'twin'; name the entry point so"),
        (OPERATOR.format(code="a"), "a = bad:Twin", "the code 'a' is taken"),
        (OPERATOR.format(code="2x"), "2x = bad:Twin", "a code has letters"),
        (OPERATOR.format(code="untied"), "untied = bad:Twin", "is not untied"),
    ],
)
def test_what_is_no_operator_is_bad_input(announce: Announce, source: str, entry: str, message: str) -> None:
    announce("bad", source, entry)
    with pytest.raises(InputError) as caught:
        announced_operators(TAKEN)
    code = entry.partition(" ")[0]
    assert str(caught.value).startswith(f"operator '{code}' of package bad: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_two_packages_cannot_have_one_code(announce: Announce) -> None:
    for package in ("one_twin", "other_twin"):
        announce(package, OPERATOR.format(code="twin"), f"twin = {package}:Twin")
    with pytest.raises(InputError, match="the code 'twin' is taken"):
        announced_operators(TAKEN)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import nowhere_to_be_found", "ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
        ("raise RuntimeError('a driver\\nis missing')", "RuntimeError: a driver is missing"),
        ("", "AttributeError: module 'broken' has no attribute 'Twin'"),
    ],
)
def test_a_broken_package_is_left_out_with_a_warning(announce: Announce, source: str, reason: str) -> None:
    announce("broken", source, "brk = broken:Twin")
    announce("fine_twin", OPERATOR.format(code="twin"), "twin = fine_twin:Twin")
    with pytest.warns(OperatorImportWarning) as caught:
        found = announced_operators(TAKEN)
    assert "twin" in found and "brk" not in found
    (warning,) = caught
    assert str(warning.message) == f"operator 'brk' of package broken cannot be imported and is left out: {reason}"


def test_the_command_line_goes_on_without_a_broken_package(announce: Announce, tmp_path: Path) -> None:
    announce("broken", "import nowhere_to_be_found", "brk = broken:Twin")
    done = show(tmp_path / "site")
    assert done.returncode == 0
    assert "w64 a f" in done.stdout
    assert "operator 'brk' of package broken cannot be imported and is left out: ModuleNotFound" in done.stderr


def test_the_command_line_stops_at_a_package_that_takes_a_code(announce: Announce, tmp_path: Path) -> None:
    announce("thief", OPERATOR.format(code="a"), "a = thief:Twin")
    done = show(tmp_path / "site")
    assert done.returncode == 2
    assert done.stderr.startswith("nas-search: operator 'a' of package thief: ")
    assert done.stderr.count("\n") == 1


def test_a_package_that_ends_the_process_when_it_is_imported_is_left_out(announce: Announce) -> None:
    announce("quitter", "raise SystemExit(0)", "quits = quitter:Thing")
    with pytest.warns(OperatorImportWarning, match="package quitter cannot be imported"):
        assert announced_operators(TAKEN) == {}


def test_every_option_needs_a_default(announce: Announce) -> None:
    announce("needy", OPERATOR.format(code="needs") + "    size: int\n", "needs = needy:Twin")
    with pytest.raises(InputError, match="option size has no default"):
        announced_operators(TAKEN)
