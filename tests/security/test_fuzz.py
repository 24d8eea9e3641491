"""Some thousand damaged inputs for everything that reads input of others, and whether the fuzzer would tell."""

import importlib
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from nas_search.errors import InputError

FUZZ = Path(__file__).parents[2] / "experiments" / "fuzz"
SLOW = {"dashboard": 3, "report": 1}
"""Inputs of targets that take long for each; of others there are as many as their share says."""


@pytest.fixture(autouse=True)
def fuzzer(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = signal.getsignal(signal.SIGPROF)
    monkeypatch.syspath_prepend(FUZZ)
    yield
    signal.signal(signal.SIGPROF, before)


def module(name: str) -> ModuleType:
    return importlib.import_module(name)


def target_names() -> list[str]:
    """Each stands in its module as the first word of a Target."""
    texts = [path.read_text(encoding="utf-8") for path in sorted(FUZZ.glob("of_*.py"))]
    return [line.split('"')[1] for text in texts for line in text.splitlines() if line.startswith('    Target("')]


def test_every_target_is_tried() -> None:
    assert target_names() and set(target_names()) == set(module("targets").TARGETS)


@pytest.mark.parametrize("name", target_names())
def test_damaged_input_is_read_or_refused(name: str, tmp_path: Path) -> None:
    target = module("targets").TARGETS[name]
    case = target.make(tmp_path)
    found = []
    for index in range(SLOW.get(name, min(1000, max(60, 4 * int(target.share))))):
        data = case.draw(module("target").input_rng(1, name, index))
        outcome = module("watch").outcome(case, data)
        found += [] if isinstance(outcome, bool) else [(index, *outcome)]
    assert not found, f"python experiments/fuzz/fuzz.py --seed 1 --show {name}:{found[0][0]}"


def test_an_input_is_a_function_of_seed_target_and_index(tmp_path: Path) -> None:
    case, rng = module("targets").TARGETS["notation"].make(tmp_path), module("target").input_rng
    assert case.draw(rng(0, "notation", 7)) == case.draw(rng(0, "notation", 7))
    assert len({case.draw(rng(seed, "notation", 7)) for seed in range(9)}) > 5


def test_what_is_neither_read_nor_refused_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    watch, case = module("watch"), module("target").Case
    monkeypatch.setattr(watch, "CPU_SECONDS", 0.2)

    def refuse(data: bytes) -> None:
        raise InputError("no")

    def break_down(data: bytes) -> None:
        json.loads(data)

    def hang(data: bytes) -> None:
        while True:
            pass

    assert watch.outcome(case(bytes, lambda data: None), b"") is True
    assert watch.outcome(case(bytes, refuse), b"") is False
    assert watch.outcome(case(bytes, break_down), b"{")[0].startswith("JSONDecodeError")
    assert watch.outcome(case(bytes, hang), b"")[0] == "hang: over 0.2 s of CPU time"


def test_shares_add_up() -> None:
    fuzz, targets = module("fuzz"), list(module("targets").TARGETS.values())
    counts = fuzz.shares(targets, 100_000)
    assert 100_000 <= sum(counts.values()) < 100_100 and min(counts.values()) >= 1
    assert counts["notation"] > counts["journal"] > counts["report"]
