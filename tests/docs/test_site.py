"""The site builds without warnings and without a network, and its pages need none."""

import logging
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import reference
from doc_pages import DOCS, ROOT, headings
from mkdocs.commands.build import build
from mkdocs.config import load_config

LOADED = re.compile(r"<(?:script|link|img|iframe|source)\b[^>]*?\b(?:src|href)=\"(?P<address>[^\"]+)\"")
COMMANDS = list(reference.commands())


def refuse(*_: object) -> None:
    raise AssertionError("something asked for a network")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("site")
    logger = logging.getLogger("mkdocs")
    handlers = list(logger.handlers)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse)
        patch.setenv("NO_MKDOCS_2_WARNING", "1")
        build(load_config(str(ROOT / "mkdocs.yml"), strict=True, site_dir=str(folder)))
    yield folder
    logger.handlers = handlers


def test_all_pages_are_there(site: Path) -> None:
    expected = {f"{page.stem}.html" for page in DOCS.glob("*.md")}
    assert expected <= {path.name for path in site.glob("*.html")}
    assert not (site / "hooks").exists()


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        addresses = [match["address"] for match in LOADED.finditer(text)]
        assert addresses
        assert not [address for address in addresses if "//" in address], page
    for style in site.rglob("*.css"):
        assert not re.search(r"(?:url\(|@import )['\"]?(?:https?:)?//", style.read_text(encoding="utf-8")), style


def test_files_outside_docs_have_pages(site: Path) -> None:
    page = site / "experiments" / "search-benchmark" / "index.html"
    assert 'href="../search-table/index.html"' in page.read_text() or 'href="evolution.html"' in page.read_text()
    source = (site / "search" / "samplers" / "bayes" / "improvement.py.html").read_text()
    assert "def " in re.sub(r"<[^>]+>", "", source)


def test_links_between_pages_are_pages(site: Path) -> None:
    """Nothing on the site leads out of it, to where the files are in the repository."""
    for page in site.rglob("*.html"):
        for link in re.findall(r"<a\b[^>]*\bhref=\"([^\"#]+)", page.read_text(encoding="utf-8")):
            if "://" in link or page.name == "404.html":
                continue
            assert (page.parent / link).resolve().is_relative_to(site.resolve()), f"{page}: {link}"
            assert (page.parent / link).is_file(), f"{page}: {link}"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_its_section_and_options(command: str) -> None:
    page = DOCS / "command-line.md"
    assert command in headings(page), f"docs/command-line.md: no section '### {command}'"
    assert f"<!-- options: {command} -->" in page.read_text(), f"docs/command-line.md: no options of {command}"


def test_nothing_else_is_documented() -> None:
    sections = {heading for heading in headings(DOCS / "command-line.md") if heading.startswith("nas-search")}
    assert sections == set(COMMANDS)


def test_options_are_those_of_the_program(site: Path) -> None:
    text = re.sub(r"<[^>]+>", "", (site / "command-line.html").read_text(encoding="utf-8"))
    assert "--latency-budget &lt;str&gt;" in text
    assert "Also write every trial to this CSV file." in text
    assert "<!-- " not in text


def test_no_placeholder_is_left(site: Path) -> None:
    for page in site.rglob("*.html"):
        assert not re.search(r"<!-- (options|formats|operators)", page.read_text(encoding="utf-8")), page


def test_an_unknown_command_stops_the_build() -> None:
    with pytest.raises(KeyError):
        reference.options_table("nas-search nonsense")
