"""HTML as values: what is not marked as markup is escaped, so no string can slip through."""

from collections.abc import Iterable, Sequence
from functools import cache
from html import escape
from typing import NamedTuple

_VOID = frozenset({"br", "input", "meta"})


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


class Column(NamedTuple):
    """A table's column: its heading, and whether it holds figures (set flush right)."""

    label: str
    numeric: bool = False


def element(name: str, /, *children: str, **attributes: str | float | None) -> Html:
    """An element with escaped children and attributes.

    ``class_`` gives ``class``, ``data_label`` gives ``data-label``; an attribute that is None is left out.
    """
    opening = name
    for key, value in attributes.items():
        if value is not None:
            opening += f' {_attribute_name(key)}="{escape(str(value))}"'
    if name in _VOID:
        return Html(f"<{opening}>")
    return Html(f"<{opening}>{join(children)}</{name}>")


def join(parts: Iterable[str]) -> Html:
    """The parts one after the other, escaped unless they are markup."""
    return Html("".join([part if isinstance(part, Html) else escape(part) for part in parts]))


def table(columns: Sequence[Column], rows: Iterable[Sequence[str]], *, class_: str | None = None) -> Html:
    """A table that scrolls sideways where the screen is narrow; cells carry their heading for card layouts."""
    body = [element("tr", *map(_cell, columns, row)) for row in rows]
    content = element("table", element("thead", heading_row(columns)), element("tbody", *body), class_=class_)
    return element("div", content, class_="scroll")


def heading_row(columns: Sequence[Column]) -> Html:
    """A table's row of headings."""
    return element("tr", *(element("th", column.label, scope="col", class_=_alignment(column)) for column in columns))


def trial_link(number: int) -> Html:
    """A trial's number; it leads to the trial's row, and where scripts run to all that is known of it."""
    return element("a", str(number), href=f"#trial-{number}", class_="trial")


def definitions(pairs: Iterable[tuple[str, str]]) -> Html:
    """A list of names and values."""
    return element("dl", *(element("div", element("dt", name), element("dd", value)) for name, value in pairs))


def _cell(column: Column, value: str) -> Html:
    return element("td", value, class_=_alignment(column), data_label=column.label)


def _alignment(column: Column) -> str | None:
    return "number" if column.numeric else None


@cache
def _attribute_name(key: str) -> str:
    return key.rstrip("_").replace("_", "-")
