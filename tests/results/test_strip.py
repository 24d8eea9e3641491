"""Operator strips in SVG and in a terminal."""

from itertools import pairwise
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from nas_search.results.strip import GAP, html_legend, layout, svg_strip, terminal_legend, terminal_strip
from nas_search.space.architecture import Architecture

OPERATORS = ["a", "swa[window=64]", "m2", "d", "f", "f[ratio=2.5]"]
architectures = st.lists(st.sampled_from(OPERATORS), min_size=1, max_size=80).map(
    lambda codes: Architecture.parse(f"w128 {' '.join(codes)}")
)


@given(architectures, st.integers(60, 400))
def test_cells_fill_rows_without_overlap(architecture: Architecture, row_width: int) -> None:
    cells = layout(architecture.operators, row_width)
    assert [cell.operator for cell in cells] == list(architecture.operators)
    assert all(cell.x + cell.width <= row_width for cell in cells)
    for before, after in pairwise(cells):
        if after.row == before.row:
            assert after.x == before.x + before.width + GAP
        else:
            assert (after.row, after.x) == (before.row + 1, 0)


@given(architectures)
def test_svg_has_a_cell_for_each_operator_and_a_code_for_each_mixer(architecture: Architecture) -> None:
    svg = ElementTree.fromstring(svg_strip(architecture))
    assert len(svg.findall("g/rect")) == architecture.depth
    mixers = [operator.code for operator in architecture.operators if operator.mixes_tokens]
    assert [text.text for text in svg.findall("g/text")] == mixers
    right = max(float(rect.get("x", 0)) + float(rect.get("width", 0)) for rect in svg.findall("g/rect"))
    assert right == float(svg.get("width", 0))


def test_cells_name_operator_and_options() -> None:
    assert "<title>Sliding-window attention: swa[window=64]</title>" in svg_strip(
        Architecture.parse("w64 swa[window=64]")
    )


def test_legend_names_each_operator_once_mixers_first() -> None:
    legend = html_legend([Architecture.parse("w64 f m2 f"), Architecture.parse("w64 m2 a")])
    assert [legend.count(title) for title in ("SwiGLU FFN", "Mamba-2", "Attention")] == [1, 1, 1]
    assert legend.index("Mamba-2") < legend.index("Attention") < legend.index("SwiGLU FFN")


def test_terminal_strip_keeps_the_codes_without_colours() -> None:
    architecture = Architecture.parse("w64 (d f m2 f)x2")
    assert terminal_strip(architecture).plain.split() == ["d", "f", "m2", "f"] * 2
    assert "DeltaNet" in terminal_legend(architecture).plain


def test_terminal_strip_has_colours_in_a_terminal() -> None:
    console = Console(force_terminal=True, color_system="truecolor", width=200)
    with console.capture() as capture:
        console.print(terminal_strip(Architecture.parse("w64 m2")))
    assert "48;2;204;102;119" in capture.get()
