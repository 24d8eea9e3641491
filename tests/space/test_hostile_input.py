"""Texts that somebody made to do harm, or that look like something else."""

import pytest

from nas_search.errors import InputError
from nas_search.space.architecture import Architecture
from nas_search.space.notation import parse_operators


@pytest.mark.parametrize(
    "text",
    [
        "width: 2020-99-99",
        f"width: {'9' * 5000}",
        "width: !!int 'abc'",
        "width: !!bool 'x'",
        "width: !!timestamp 'x'",
        "[" * 3000,
        '{"a":' * 3000,
    ],
)
def test_yaml_that_cannot_be_converted_is_bad_input(text: str) -> None:
    with pytest.raises(InputError, match=r"net\.yaml") as caught:
        Architecture.from_yaml(text, "net.yaml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["width: 64\nwidth: 128\noperators: a", '{"operators": "a", "width": 64, "width": 64}']
)
def test_a_key_that_is_given_twice_is_bad_input(text: str) -> None:
    with pytest.raises(InputError, match="'width' is given twice"):
        Architecture.from_yaml(text, "net.yaml")


@pytest.mark.parametrize("text", ["(a)x00000000199999999999", "(a)x" + "9" * 5000, "(a)x000", "(a)x5000"])
def test_a_repeat_count_cannot_fill_the_memory(text: str) -> None:
    with pytest.raises(InputError):
        parse_operators(text)


def test_leading_zeros_are_only_zeros() -> None:
    assert len(parse_operators("(a)x003")) == 3


def test_a_width_of_many_digits_is_bad_input() -> None:
    with pytest.raises(InputError):
        Architecture.parse(f"w{'9' * 5000} a")
