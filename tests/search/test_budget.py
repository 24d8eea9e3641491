import pytest
from search_fakes import WORKLOAD, Bench, FakeTable

from nas_search.errors import InputError
from nas_search.profiler.workload import Workload
from nas_search.search.budget import Milliseconds, TimesFastest, parse_budget, resolve_budget
from nas_search.space.architecture import Architecture


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("12ms", Milliseconds(12.0)),
        ("1.5s", Milliseconds(1500.0)),
        ("250us", Milliseconds(0.25)),
        (".5ms", Milliseconds(0.5)),
        (" 3x ", TimesFastest(3.0)),
        ("w64 a f", Architecture.parse("w64 a f")),
    ],
)
def test_forms(text: str, budget: object) -> None:
    assert parse_budget(text) == budget


@pytest.mark.parametrize("text", ["", "12", "ms", "-3ms", "0ms", "0x", "12 m", "w64 zz", "1e3ms", "nowhere.yaml"])
def test_what_is_no_budget_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(InputError, match="latency budget") as error:
        parse_budget(text)
    assert "\n" not in str(error.value)


def limit(bench: Bench, text: str) -> float:
    def measure(architecture: Architecture) -> float:
        assert architecture.notation == "w64 swa[window=8]"
        return 7.0

    return resolve_budget(text, FakeTable.of(bench.space()), bench.space(), Workload.parse(WORKLOAD), measure)


def test_limits(bench: Bench) -> None:
    assert limit(bench, "2s") == 2000.0
    assert limit(bench, "3x") == pytest.approx(3 * 0.096)
    assert limit(bench, "w96 a d") == pytest.approx(0.096 * 6)


def test_an_architecture_outside_the_table_is_measured(bench: Bench) -> None:
    assert limit(bench, "w64 swa[window=8]") == 7.0


def test_an_impossible_budget_names_the_fastest_member(bench: Bench) -> None:
    for text in ("0.09ms", "0.9x"):
        with pytest.raises(InputError, match=r"fastest is w32 a with 0\.096 ms/token"):
            limit(bench, text)
    assert limit(bench, "1x") == pytest.approx(0.096)
