"""Operator strips on a page and in a terminal."""

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from nas_search.results.strip import html_cell, html_legend, html_strip, terminal_legend, terminal_strip
from nas_search.space.architecture import Architecture

OPERATORS = ["a", "swa[window=64]", "m2", "d", "f", "f[ratio=2.5]"]
architectures = st.lists(st.sampled_from(OPERATORS), min_size=1, max_size=80).map(
    lambda codes: Architecture.parse(f"w128 {' '.join(codes)}")
)


@given(architectures)
def test_a_strip_has_a_cell_for_each_operator_and_a_code_for_each_mixer(architecture: Architecture) -> None:
    cells = ElementTree.fromstring(html_strip(architecture.operators)).findall("i")
    assert len(cells) == architecture.depth
    for cell, operator in zip(cells, architecture.operators, strict=True):
        assert cell.get("class") == ("mixer" if operator.mixes_tokens else "ffn")
        assert (cell.text or "") == (operator.code if operator.mixes_tokens else "")
        assert cell.get("title") == f"{operator.title}: {operator.notation}"


def test_a_strip_is_read_out_and_a_marked_cell_says_what_it_is() -> None:
    operators = Architecture.parse("w64 swa[window=64] f").operators
    assert 'aria-label="Operators: swa[window=64] f"' in html_strip(operators)
    assert 'title="added: Sliding-window attention: swa[window=64]"' in html_cell(operators[0], "added")


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
