"""Whatever is not marked as markup is escaped."""

from hypothesis import given
from hypothesis import strategies as st

from nas_search.results.html import Column, Html, element, join, table


@given(st.text())
def test_text_and_attributes_are_escaped(text: str) -> None:
    markup = element("p", text, title=text)
    assert markup.count("<") == markup.count(">") == 2
    assert markup.count('"') == 2


def test_elements_nest_without_being_escaped_twice() -> None:
    assert element("p", element("b", "1 < 2"), " & more") == "<p><b>1 &lt; 2</b> &amp; more</p>"


def test_attribute_names() -> None:
    assert element("td", "x", class_="number", data_label="n", title=None) == '<td class="number" data-label="n">x</td>'


def test_void_elements_have_no_end() -> None:
    assert element("meta", charset="utf-8") == '<meta charset="utf-8">'


def test_joined_text_is_markup() -> None:
    assert isinstance(join(["<", Html("<br>")]), Html)
    assert join(["<", Html("<br>")]) == "&lt;<br>"


def test_cells_carry_their_heading() -> None:
    markup = table([Column("a & b", numeric=True)], [["1"], ["2"]])
    assert markup.count("<tr>") == 3
    assert '<td class="number" data-label="a &amp; b">1</td>' in markup
