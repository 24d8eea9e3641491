"""Pages for the files outside ``docs`` that the documentation links to, so that its links work on the site too.

A linked Markdown file becomes a page, a picture stays one, any other file becomes a page that shows it, and a folder
stands for its README. In the repository all links are relative paths; here they are rewritten to where the pages are.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath
from typing import TYPE_CHECKING

from mkdocs.structure.files import File, InclusionLevel

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
DOCS = PurePosixPath("docs")
ALSO = ("SECURITY.md", "experiments/conformance/README.md", "experiments/h100/README.md")
"""In the navigation, whoever links to them."""

_LINK = re.compile(r"(?<=\]\()(?P<path>[^)#\s:]+)(?P<anchor>#[^)\s]*)?(?=\))")
_PICTURES = (".png", ".svg")
_LANGUAGES = {".py": "python", ".yaml": "yaml", ".toml": "toml", ".sh": "bash"}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each file that is linked to, and for those that they link to."""
    waiting = [str(DOCS / file.src_uri) for file in files.documentation_pages()] + list(ALSO)
    seen = set(waiting)
    for path in waiting:
        if not path.startswith(f"{DOCS}/"):
            files.append(_page(path, config))
        new = [target for target in dict.fromkeys(_targets(path)) if target not in seen]
        seen.update(new)
        waiting += new
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point the links of a page at pages."""
    origin = page.file.src_uri
    here = str(DOCS / origin) if (ROOT / DOCS / origin).is_file() else origin
    return _LINK.sub(partial(_rewritten, here=here, origin=origin), markdown)


def _rewritten(link: re.Match[str], here: str, origin: str) -> str:
    target = _target(link["path"], here)
    if target is None:
        return link[0]
    return relpath(_uri(target), PurePosixPath(origin).parent) + (link["anchor"] or "")


def _targets(path: str) -> list[str]:
    """The files of the repository that a Markdown file links to."""
    if not path.endswith(".md"):
        return []
    links = _LINK.finditer((ROOT / path).read_text(encoding="utf-8"))
    found = (_target(link["path"], path) for link in links)
    return [target for target in found if target is not None and not target.startswith(f"{DOCS}/")]


def _target(link: str, here: str) -> str | None:
    """The path in the repository that a link in the file ``here`` means; None if there is no such file."""
    path = normpath(PurePosixPath(here).parent / link)
    if (ROOT / path).is_dir():
        path = f"{path}/README.md"
    if path == "README.md":
        return str(DOCS / "index.md")
    return path if (ROOT / path).is_file() and not path.startswith("..") else None


def _uri(path: str) -> str:
    """Where the page of a file is, from the site's root."""
    if path.startswith(f"{DOCS}/"):
        return path.removeprefix(f"{DOCS}/")
    return path if path.endswith((".md", *_PICTURES)) else f"{path}.md"


def _page(path: str, config: MkDocsConfig) -> File:
    if path.endswith(_PICTURES):
        return File.generated(config, path, content=(ROOT / path).read_bytes(), inclusion=InclusionLevel.NOT_IN_NAV)
    text = (ROOT / path).read_text(encoding="utf-8")
    suffix = PurePosixPath(path).suffix
    if suffix != ".md":
        text = f"# {path}\n\n~~~~~~ {_LANGUAGES.get(suffix, 'text')}\n{text}\n~~~~~~\n"
    return File.generated(config, _uri(path), content=text, inclusion=InclusionLevel.NOT_IN_NAV)
