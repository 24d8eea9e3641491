"""Relative links of all documents lead to files that are there, and to headings in them."""

from pathlib import Path

import pytest
from doc_pages import DOCS, ROOT, anchors, headings, linked_pages, links, slug
from markdown.extensions.toc import slugify

DOCUMENTS = [pytest.param(path, id=str(path.relative_to(ROOT))) for path in linked_pages()]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: Path) -> None:
    for link in links(document):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.is_relative_to(ROOT) and target.exists(), f"{document}: {link}: no such file"
        assert not anchor or anchor in anchors(target), f"{document}: {link}: no such heading"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_addresses_of_others_are_encrypted(document: Path) -> None:
    assert not [link for link in links(document) if link.startswith("http://")]


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_headings_have_the_same_address_on_the_site(page: Path) -> None:
    for heading in headings(page):
        assert slugify(heading, "-") == slug(heading), f"{page}: '{heading}' has another address on GitHub"


def test_links_and_headings_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# One `two`: three\n## A\n## A\n\n[x](a.md#b) and `[y](none.md)`\n\n```bash\n# no heading\n[z](none.md)\n```\n"
        "![picture](p.svg)\n"
    )
    assert list(links(page)) == ["a.md#b", "p.svg"]
    assert anchors(page) == {"one-two-three", "a", "a-1"}
