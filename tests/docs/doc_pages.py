"""What the documents consist of: fenced blocks, headings, links and inline code."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
README = ROOT / "README.md"

_FENCE = re.compile(
    r"^(?P<fence>```+|~~~+) ?(?P<language>\w*)(?: title=\"(?P<title>[^\"]+)\")?[^\n]*\n(?P<text>.*?)^(?P=fence)\s*$",
    re.MULTILINE | re.DOTALL,
)
_NAMED = re.compile(r"^`\S+`:\n\n\Z", re.MULTILINE)
_LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} (?P<text>.+)$", re.MULTILINE)
_CODE = re.compile(r"(?<!`)`(?P<text>[^`]+)`(?!`)")


class Block(NamedTuple):
    """A fenced block. ``file`` is the name of the file that it shows, by its title; ``shown`` that a line before it
    names one, which lies elsewhere."""

    path: Path
    line: int
    language: str
    file: str | None
    shown: bool
    text: str

    @property
    def place(self) -> str:
        """``docs/spaces.md:22``."""
        return f"{self.path.relative_to(ROOT)}:{self.line}"


class Code(NamedTuple):
    """Inline code and the line that it begins on."""

    place: str
    text: str


def pages() -> list[Path]:
    """The documents whose commands and snippets are tried."""
    return [README, *sorted(DOCS.glob("*.md"))]


def linked_pages() -> list[Path]:
    """All documents of the repository."""
    return [*pages(), ROOT / "CHANGELOG.md", *sorted((ROOT / "experiments").rglob("*.md"))]


def blocks(path: Path) -> Iterator[Block]:
    """The fenced blocks of a document, in order."""
    text = path.read_text(encoding="utf-8")
    for match in _FENCE.finditer(text):
        before = text[: match.start()]
        shown = _NAMED.search(before) is not None
        yield Block(path, _line(text, match), match["language"], match["title"], shown, match["text"])


def links(path: Path) -> Iterator[str]:
    """Targets of links and pictures, without those in code."""
    text = _CODE.sub("", _prose(path))
    yield from (match["target"] for match in _LINK.finditer(text))


def anchors(path: Path) -> set[str]:
    """Where in a document a link can point, as GitHub names headings."""
    found: list[str] = []
    for match in _HEADING.finditer(_prose(path)):
        name = slug(match["text"])
        found.append(name if name not in found else f"{name}-{found.count(name)}")
    return set(found)


def headings(path: Path) -> list[str]:
    """The text of all headings, without marks of code and of links."""
    return [_plain(match["text"]) for match in _HEADING.finditer(_prose(path))]


def slug(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", _plain(heading).lower()).replace(" ", "-")


def inline_code(path: Path) -> Iterator[Code]:
    """Inline code of a document."""
    text = _prose(path)
    for match in _CODE.finditer(text):
        yield Code(f"{path.relative_to(ROOT)}:{_line(text, match)}", " ".join(match["text"].split()))


def _prose(path: Path) -> str:
    """Without the content of fenced blocks, every line where it was."""
    text = path.read_text(encoding="utf-8")
    return _FENCE.sub(lambda match: "\n" * match[0].count("\n"), text)


def _plain(heading: str) -> str:
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").strip()


def _line(text: str, match: re.Match[str]) -> int:
    return text.count("\n", 0, match.start()) + 1
