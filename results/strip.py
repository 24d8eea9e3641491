"""Operator strips: an architecture as a row of coloured cells, one per operator.

Token mixers are full cells with their code; FFNs are low grey ones, so that the pattern of the mixers stands out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from nas_search.results.html import Html, element
from nas_search.results.palette import ink_on, operator_colour, operator_title

if TYPE_CHECKING:
    from rich.text import Text

    from nas_search.space.architecture import Architecture
    from nas_search.space.operators.base import OperatorSpec

# SVG user units, which are pixels at full size.
CELL_HEIGHT, GAP, LETTER, PADDING = 24, 2, 7, 12
FEED_FORWARD_HEIGHT, FEED_FORWARD_WIDTH = 14, 12
ROW_WIDTH = 720


class Cell(NamedTuple):
    """One operator's place in a strip."""

    operator: OperatorSpec
    x: int
    row: int
    width: int


def layout(operators: Sequence[OperatorSpec], row_width: int = ROW_WIDTH) -> list[Cell]:
    """Cells from left to right, in rows of at most ``row_width``."""
    cells: list[Cell] = []
    x = row = 0
    for operator in operators:
        width = _cell_width(operator)
        if x and x + width > row_width:
            x, row = 0, row + 1
        cells.append(Cell(operator, x, row, width))
        x += width + GAP
    return cells


def svg_strip(architecture: Architecture, row_width: int = ROW_WIDTH) -> Html:
    """The strip as inline SVG; each cell tells its operator's name and notation on hover."""
    cells = layout(architecture.operators, row_width)
    width = max(cell.x + cell.width for cell in cells)
    height = (cells[-1].row + 1) * (CELL_HEIGHT + GAP) - GAP
    return element(
        "svg",
        *map(_svg_cell, cells),
        class_="strip",
        viewBox=f"0 0 {width} {height}",
        width=width,
        height=height,
        role="img",
        aria_label=f"Operators: {architecture.notation}",
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


def _cell_width(operator: OperatorSpec) -> int:
    return PADDING + LETTER * len(operator.code) if operator.mixes_tokens else FEED_FORWARD_WIDTH


def _svg_cell(cell: Cell) -> Html:
    operator = cell.operator
    height = CELL_HEIGHT if operator.mixes_tokens else FEED_FORWARD_HEIGHT
    top = cell.row * (CELL_HEIGHT + GAP)
    y = top + (CELL_HEIGHT - height) // 2
    colour = operator_colour(operator.code)
    parts = [
        element("title", f"{operator.title}: {operator.notation}"),
        element("rect", x=cell.x, y=y, width=cell.width, height=height, rx=2, fill=colour),
    ]
    if operator.mixes_tokens:
        middle, baseline = cell.x + cell.width / 2, top + CELL_HEIGHT / 2 + 4
        parts.append(element("text", operator.code, x=middle, y=baseline, fill=ink_on(colour)))
    return element("g", *parts)


def _swatch(code: str) -> Html:
    return element("i", style=f"background:{operator_colour(code)}")


def _terminal_style(code: str) -> str:
    colour = operator_colour(code)
    return f"{ink_on(colour)} on {colour}"
