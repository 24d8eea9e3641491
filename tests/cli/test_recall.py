"""``nas-search recall``: a table for people, a document for machines, a line for what cannot be asked."""

from collections.abc import Callable
from typing import Any

import pytest

Cli = Callable[..., Any]
QUICK = ("--steps", 2, "--train-device", "cpu")


def test_networks_are_compared(nas_search: Cli) -> None:
    outcome = nas_search("recall", "w32 a", "w32 f", *QUICK, "--seeds", 2)
    assert (outcome.code, outcome.err) == (0, "")
    first, header, attention, feed_forward = outcome.out.strip().splitlines()
    assert first == "associative recall: 48 tokens, 8 pairs, 2 steps; a guess is right in 3.1%"
    assert header.split() == ["architecture", "accuracy", "95", "%", "interval", "by", "seed"]
    assert attention.startswith("w32 a ") and feed_forward.startswith("w32 f ")
    assert " to " in attention and attention.count("%") == 5


def test_a_needle_for_machines(nas_search: Cli) -> None:
    arguments = ("--task", "needle", "--length", 64, "--pairs", 2, "--seeds", 1, "--json")
    (found,) = nas_search("recall", "w32 m2", *QUICK, *arguments).document["recall"]
    assert (found["task"], found["length"], found["pairs"], found["steps"]) == ("needle", 64, 2, 2)
    assert found["accuracies"] == [found["mean"]] and found["interval"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["w32 zz"], "zz"),
        (["w32 f", "--task", "haystack"], "--task"),
        (["w32 f", "--pairs", "40"], "recall: 40 pairs; 1 to 32 are possible"),
        (["w32 f", "--length", "9"], "recall: 8 pairs and a question need a length of 17"),
        (["w32 f", "--steps", "0"], "--steps"),
        ([], "Missing argument"),
    ],
)
def test_what_cannot_be_asked(nas_search: Cli, arguments: list[str], message: str) -> None:
    outcome = nas_search("recall", *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert message in outcome.err
    assert outcome.err.count("\n") == 1
