"""Colours: stable, distinct, and legible."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_search.results.palette import ink_on, line_colour, luminance, operator_colour, operator_title, translucent
from nas_search.space.operators.registry import operator_types


@given(st.text(min_size=1, max_size=12))
def test_every_code_has_a_colour(code: str) -> None:
    assert re.fullmatch(r"#[0-9A-F]{6}", operator_colour(code))


def test_colours_of_known_operators_differ() -> None:
    codes = {*operator_types(), "m", "gd", "gla", "r7"}
    assert len({operator_colour(code) for code in codes}) == len(codes)


def test_colour_of_a_foreign_code_is_the_same_everywhere() -> None:
    assert operator_colour("hyena") == "#8A6A00"


@pytest.mark.parametrize("code", [*operator_types(), "m", "gd", "gla", "r7", *(f"op{n}" for n in range(60))])
def test_code_is_legible_on_its_colour(code: str) -> None:
    colour = operator_colour(code)
    light, dark = sorted((luminance(colour), luminance(ink_on(colour))), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_titles() -> None:
    assert operator_title("m2") == "Mamba-2"
    assert operator_title("hyena") == "hyena"


def test_ten_lines_differ_and_are_seen_on_white_and_on_black() -> None:
    colours = [line_colour(index) for index in range(10)]
    assert len(set(colours)) == 10
    assert line_colour(10) == colours[0]
    for colour in colours:
        assert (1.05) / (luminance(colour) + 0.05) > 2.5
        assert (luminance(colour) + 0.05) / 0.05 > 2.5


def test_translucent() -> None:
    assert translucent("#2F6DB5", 0.25) == "rgba(47, 109, 181, 0.25)"
