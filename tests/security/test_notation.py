"""Texts of one line that would take memory or time out of all proportion."""

from collections.abc import Callable

import pytest

from nas_search.errors import InputError
from nas_search.profiler.workload import Workload
from nas_search.proxies.tokenizer import bpe_size
from nas_search.results.export.pick import parse_pick
from nas_search.search.budget import parse_budget
from nas_search.search.objectives import Limit
from nas_search.space.architecture import Architecture
from nas_search.space.zoo import resolve_architecture


@pytest.mark.parametrize(
    "text",
    [
        "w64 (a)x999999999",
        f"w64 {'(' * 31}a{')x999' * 31}",
        f"w64 {'(' * 20_000}a",
        "w64 a" + " a" * 100_000,
        f"w64 a[{'heads=4,' * 50_000}]",
        f"w64 a[heads={'9' * 100_000}]",
        "w999999999999 a",
        "w64 vocab=999999999999999 a",
        "w64 vocab=999999999 a",
        "w64 meta=999999999 a",
        "w64 a[" + "[" * 50_000,
        "w64 " + "a=" * 50_000,
    ],
)
@pytest.mark.usefixtures("must_not_hang")
def test_a_notation_is_refused_before_it_takes_memory(text: str) -> None:
    with pytest.raises(InputError) as caught:
        Architecture.parse(text)
    assert len(str(caught.value)) < 1000


LONG = 200_000


@pytest.mark.parametrize(
    "text",
    ["<" * LONG, " " * LONG + "x", "a" + " " * LONG + "x", "a<=" * LONG, "1" * LONG, "x" * LONG, "a=" * LONG],
    ids=["relations", "blanks", "blanks inside", "limits", "digits", "letters", "options"],
)
@pytest.mark.parametrize(
    "read", [Limit.parse, Workload.parse, parse_budget, resolve_architecture, parse_pick, bpe_size]
)
@pytest.mark.usefixtures("must_not_hang")
def test_no_expression_takes_quadratic_time(read: Callable[[str], object], text: str) -> None:
    """So many characters are a moment where time rises with length, and many minutes where it rises with its square."""
    with pytest.raises(InputError):
        read(text)


@pytest.mark.parametrize(
    "text", ["decode:99999999999999999999", "decode:1,batch=99999999999", f"decode:{'9' * 10_000}"]
)
def test_workloads_beyond_any_device(text: str) -> None:
    with pytest.raises(InputError):
        Workload.parse(text)
