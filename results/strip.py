"""Operator strips: an architecture as a row of coloured cells, one per operator.

Token mixers are full cells with their code; FFNs are low grey ones, so that the pattern of the mixers stands out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING

from nas_search.results.html import Html, element
from nas_search.results.palette import ink_on, operator_colour, operator_title

if TYPE_CHECKING:
    from rich.text import Text

    from nas_search.space.architecture import Architecture
    from nas_search.space.operators.base import OperatorSpec


def html_strip(operators: Iterable[OperatorSpec], label: str = "Operators") -> Html:
    """The strip as cells that wrap where the screen is narrow; each tells its operator on hover."""
    shown = list(operators)
    notation = " ".join(operator.notation for operator in shown)
    return element("span", *map(html_cell, shown), class_="ops", role="img", aria_label=f"{label}: {notation}")


@lru_cache(maxsize=4096)
def html_cell(operator: OperatorSpec, mark: str | None = None) -> Html:
    """One operator's cell, with a class of its own if it has a ``mark``."""
    colour = operator_colour(operator.code)
    classes = " ".join(filter(None, ("mixer" if operator.mixes_tokens else "ffn", mark)))
    return element(
        "i",
        operator.code if operator.mixes_tokens else "",
        class_=classes,
        style=f"background:{colour};color:{ink_on(colour)}",
        title=f"{f'{mark}: ' if mark else ''}{operator.title}: {operator.notation}",
    )


def html_legend(architectures: Iterable[Architecture]) -> Html:
    """A line that names every kind of operator in ``architectures``."""
    return element(
        "p",
        *(
            element("span", _swatch(code), element("b", code), f" {operator_title(code)}", class_="key")
            for code in _codes(architectures)
        ),
        class_="legend",
    )


def terminal_strip(architecture: Architecture) -> Text:
    """The strip as coloured cells for a terminal; without colours the codes remain, with spaces between."""
    from rich.text import Text

    strip = Text()
    for operator in architecture.operators:
        strip.append(f" {operator.code} ", style=_terminal_style(operator.code))
        strip.append(" ")
    strip.rstrip()
    return strip


def terminal_legend(architecture: Architecture) -> Text:
    """The names of the operators in the strip, on one line."""
    from rich.text import Text

    legend = Text()
    for code in _codes([architecture]):
        legend.append(f" {code} ", style=_terminal_style(code))
        legend.append(f" {operator_title(code)}   ")
    legend.rstrip()
    return legend


def _codes(architectures: Iterable[Architecture]) -> Iterator[str]:
    """Every code once: mixers first, in order of appearance, then FFNs."""
    operators = list(chain.from_iterable(architecture.operators for architecture in architectures))
    mixers_first = sorted(operators, key=lambda operator: not operator.mixes_tokens)
    return iter(dict.fromkeys(operator.code for operator in mixers_first))


def _swatch(code: str) -> Html:
    return element("i", style=f"background:{operator_colour(code)}")


def _terminal_style(code: str) -> str:
    colour = operator_colour(code)
    return f"{ink_on(colour)} on {colour}"
