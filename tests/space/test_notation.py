"""The notation: both ways, and errors that point at the column."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_search.errors import InputError
from nas_search.space.notation import (
    MAX_OPERATORS,
    NotationError,
    format_operators,
    parse_architecture,
    parse_operators,
)

OPERATORS = [
    "a",
    "swa",
    "m2",
    "d",
    "f",
    "a[heads=4,kv=2]",
    "swa[window=64]",
    "m2[state=16]",
    "f[ratio=2.5]",
    "a[qk_norm=yes]",
]
sequences = st.lists(st.sampled_from(OPERATORS), min_size=1, max_size=40)


@given(sequences)
def test_formatting_and_parsing_are_inverse(codes: list[str]) -> None:
    operators = parse_operators(" ".join(codes))
    text = format_operators(operators)
    assert parse_operators(text) == operators
    assert format_operators(parse_operators(text)) == text


@given(sequences, st.integers(2, 6))
def test_repeats_are_written_once(codes: list[str], repeats: int) -> None:
    once, often = " ".join(codes), f"({' '.join(codes)})x{repeats}"
    assert parse_operators(often) == parse_operators(once) * repeats
    written = format_operators(parse_operators(often)).replace("(", "").split()
    assert len(written) <= len(codes) + 1


@given(st.text(max_size=60))
def test_any_text_parses_or_says_why(text: str) -> None:
    try:
        parse_architecture(text)
    except InputError as error:
        assert "\n" not in str(error).replace(text, "")


def test_published_winner_is_written_as_in_the_paper() -> None:
    flat = "d f m2 f a f m2 f d f m2 f a f m2 f d f m2 f d f m2 f"
    assert format_operators(parse_operators(flat)) == "(d f m2 f a f m2 f)x2 (d f m2 f)x2"


def test_groups_nest() -> None:
    assert len(parse_operators("((d f)x2 a)x3")) == 15


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("", 1, "expected the width first"),
        ("a f", 1, "expected the width first"),
        ("w128", 5, "expected at least one operator"),
        ("w128 a z", 8, "unknown operator 'z'"),
        ("w128 (a f", 10, "')' is missing"),
        ("w128 a f)", 9, "')' closes nothing"),
        ("w128 (a f)", 11, "expected a repeat count"),
        ("w128 (a f)x0", 11, "expected a repeat count"),
        ("w128 ()x2", 6, "the group is empty"),
        ("w128 a $", 8, "unexpected '$'"),
        ("w128 a[window=3", 16, "']' is missing"),
        ("w128 a[heads]", 8, "expected options"),
        ("w128 a[heads=2,foo=3]", 16, "'a' has no option 'foo'"),
        ("w128 swa[window=0]", 10, "window=0: input should be greater than 0"),
        ("w128 vocab=x a", 6, "'vocab=x' needs a whole number"),
        ("w128 ((a)x500)x500", 15, f"more than {MAX_OPERATORS} operators"),
        ("w128 " + "(" * 40 + "a", 38, "groups nest deeper"),
    ],
)
def test_errors_point_at_the_column(text: str, column: int, message: str) -> None:
    with pytest.raises(NotationError, match="column") as caught:
        parse_architecture(text)
    assert caught.value.column == column
    assert message in str(caught.value)
