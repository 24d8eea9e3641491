"""How one architecture differs from another along depth."""

from __future__ import annotations

from collections import Counter
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Literal, NamedTuple

from nas_search.results.html import Html, element, join
from nas_search.results.strip import html_cell

if TYPE_CHECKING:
    from nas_search.space.architecture import Architecture
    from nas_search.space.operators.base import OperatorSpec

Kind = Literal["same", "removed", "added"]


class Change(NamedTuple):
    """An operator on the way from one architecture to another, in order of depth."""

    kind: Kind
    operator: OperatorSpec


def changes(before: Architecture, after: Architecture) -> list[Change]:
    """What must be removed from ``before`` and added to it to get the operators of ``after``."""
    one, other = ([operator.notation for operator in network.operators] for network in (before, after))
    found: list[Change] = []
    for tag, i, j, k, m in SequenceMatcher(a=one, b=other, autojunk=False).get_opcodes():
        if tag == "equal":
            found += [Change("same", operator) for operator in after.operators[k:m]]
        else:
            found += [Change("removed", operator) for operator in before.operators[i:j]]
            found += [Change("added", operator) for operator in after.operators[k:m]]
    return found


def changes_html(found: list[Change]) -> Html:
    """A strip of what is the same, what is removed (crossed out) and what is added (framed), and a sentence."""
    cells = (html_cell(change.operator, None if change.kind == "same" else change.kind) for change in found)
    strip = element("span", *cells, class_="ops changes", role="img", aria_label=_sentence(found))
    return join([element("div", strip), element("p", _sentence(found), class_="caption")])


def _sentence(found: list[Change]) -> str:
    counts = Counter(change.kind for change in found)
    if counts["same"] == len(found):
        return "The same operators in the same order."
    parts = [f"{counts['same']} operators in common"]
    for kind in ("removed", "added"):
        notations = Counter(change.operator.notation for change in found if change.kind == kind)
        if notations:
            listed = ", ".join(f"{count} {name}" for name, count in notations.items())
            parts.append(f"{kind}: {listed}")
    return "; ".join(parts) + "."
