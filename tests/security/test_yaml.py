"""YAML that somebody made to fill the memory, to take for ever, or to be something else than it looks like."""

from collections.abc import Callable
from pathlib import Path

import pytest

from nas_search.errors import InputError
from nas_search.proxies.training_plan import TrainingPlan
from nas_search.search.config import SearchConfig
from nas_search.space.architecture import Architecture
from nas_search.space.search_space import load_space
from nas_search.yaml_text import MOST_BYTES, parse_yaml, read_text


def doubled(levels: int, first: str, node: str) -> str:
    """Each line holds ten times the one before it."""
    lines = [f"k0: &k0 {first}"]
    for level in range(1, levels):
        lines.append(f"k{level}: &k{level} {node.format(', '.join([f'*k{level - 1}'] * 10))}")
    return "\n".join(lines)


BOMBS = {
    "lists": doubled(10, "[x, x]", "[{}]"),
    "mappings": doubled(10, "{a: 1}", "{{<<: [{}]}}"),
    "never ends": "a: &a [*a]",
    "number": f"width: 0x{'f' * 100_000}",
    "base 60": f"width: {'1:' * 100_000}1",
    "base 60 with a fraction": f"width: {'1:' * 400}1.5",
    "no number": "width: !!int '_'",
    "surrogate": '"name": "\\ud800"',
    "deep": "[" * 5000,
    "deep lines": "- " * 5000,
    "deep and wide": f"[{','.join(['[' * 150 + ']' * 150] * 500)}]",
    "object": "!!python/object/apply:os.system [id]",
    "name": "!!python/name:os.system",
    "long": f"# {'x' * MOST_BYTES}",
}
READERS: dict[str, Callable[[str], object]] = {
    "architecture": lambda text: Architecture.from_yaml(text, "theirs.yaml"),
    "configuration": lambda text: SearchConfig.from_yaml(text, "theirs.yaml"),
    "recipe": lambda text: TrainingPlan.from_yaml(text, "theirs.yaml"),
}


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("reader", READERS)
def test_a_bomb_is_bad_input(bomb: str, reader: str) -> None:
    with pytest.raises(InputError, match=r"theirs\.yaml") as caught:
        READERS[reader](BOMBS[bomb])
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_space_that_is_a_bomb(bomb: str, tmp_path: Path) -> None:
    file = tmp_path / "theirs.yaml"
    file.write_text(BOMBS[bomb])
    with pytest.raises(InputError, match=r"theirs\.yaml"):
        load_space(file)


def test_a_bomb_where_anything_may_stand(tmp_path: Path) -> None:
    """Options are shown in messages: written out, ten levels would be ten billion values."""
    file = tmp_path / "theirs.yaml"
    file.write_text(f"{doubled(10, '[x, x]', '[{}]')}\noptions: *k9\n")
    with pytest.raises(InputError, match="over 100,000 values"):
        load_space(file)


def test_aliases_as_people_use_them() -> None:
    text = "base: &base {batch: 2}\none: {<<: *base, learning_rate: 0.1}\ntwo: *base"
    found = parse_yaml(text, "theirs.yaml")
    assert found["one"] == {"batch": 2, "learning_rate": 0.1} and found["two"] == {"batch": 2}


def test_a_file_without_end_is_read_no_further(tmp_path: Path) -> None:
    (tmp_path / "theirs.yaml").symlink_to("/dev/zero")
    with pytest.raises(InputError, match=f"over {MOST_BYTES:,} bytes"):
        read_text(tmp_path / "theirs.yaml")
    with pytest.raises(InputError, match="over"):
        load_space(tmp_path / "theirs.yaml")


@pytest.mark.parametrize(
    "fields",
    [
        "widths: [1000000000000]",
        "vocabulary: 1000000000000000",
        "max_operators: 1000000000000",
        "max_repeats: 1000000000",
        "meta_tokens: 1000000000",
        "mixers: ['a[heads=99999999999999]']",
        "ratios: ['999999999:1']",
        "ffns: [1000000]",
    ],
)
def test_sizes_beyond_any_network(fields: str, tmp_path: Path) -> None:
    space = {
        "name": "theirs", "mixers": "[a]", "ratios": "['1:1']", "ffns": "[1]", "max_repeats": "2", "widths": "[64]",
        "max_operators": "8",
    }  # fmt: skip
    name, _, value = fields.partition(": ")
    file = tmp_path / "theirs.yaml"
    file.write_text("\n".join(f"{key}: {text}" for key, text in (space | {name: value}).items()))
    with pytest.raises(InputError, match=name):
        load_space(file)
