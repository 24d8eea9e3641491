"""The options of a space's file: what is read, which operators they make, and one line for what is wrong."""

import json
from pathlib import Path

import pytest
import yaml

from nas_search.errors import InputError
from nas_search.search.config import content_hash
from nas_search.space.options import StageOption, read_options, write_options
from nas_search.space.search_space import SearchSpace, load_space

SMALL = {
    "name": "small",
    "stages": ["early", "late"],
    "mixers": ["a", "swa[head_dim=16]", "m2"],
    "ratios": ["0:1", "1:1"],
    "ffns": [0, 1],
    "max_repeats": 3,
    "widths": [64, 96],
    "max_operators": 8,
}


def small(options: object, **changes: object) -> SearchSpace:
    return SearchSpace.model_validate(SMALL | {"options": options} | changes)


def notations(space: SearchSpace) -> list[str]:
    return [spec.notation for spec in space.operator_specs()]


def test_options_are_kept_as_their_operators_keep_them() -> None:
    options = read_options({"f": {"ratio": ["2", 2.5, 3]}, "a": {"kv": [1], "qk_norm": [True, "no"]}})
    assert options == (
        StageOption("f", "ratio", (2.0, 2.5, 3.0)),
        StageOption("a", "kv", (1,)),
        StageOption("a", "qk_norm", (True, False)),
    )
    assert [type(choice) for choice in (*options[0].choices, *options[2].choices)] == [float] * 3 + [bool] * 2
    assert read_options(json.loads(json.dumps(write_options(options)))) == options


def test_every_stage_has_a_gene_for_each_option_after_its_other_genes() -> None:
    space = small({"m2": {"state": [16, 32]}, "f": {"ratio": [2, 3]}})
    names = [gene.name for gene in space.genes]
    assert names[4:8] == ["early.repeats", "early.m2.state", "early.f.ratio", "late.first"]
    assert names[11:] == ["late.repeats", "late.m2.state", "late.f.ratio", "interleave", "width"]
    assert dict(space.genes)["late.f.ratio"] == (2, 3)
    assert space.size == SearchSpace.model_validate(SMALL).size * 4**2


def test_operator_specs_are_all_combinations_on_top_of_what_the_notation_says() -> None:
    space = small({"swa": {"window": [32, 64], "kv": [1, 2]}, "f": {"ratio": [3, 4]}})
    assert notations(space) == [
        "a",
        "swa[kv=1,head_dim=16,window=32]",
        "swa[kv=2,head_dim=16,window=32]",
        "swa[kv=1,head_dim=16,window=64]",
        "swa[kv=2,head_dim=16,window=64]",
        "m2",
        "f",
        "f[ratio=4]",
    ]


def test_an_option_holds_for_every_operator_of_its_code() -> None:
    space = small({"swa": {"window": [32]}}, mixers=["swa[head_dim=16]", "swa[head_dim=32]"])
    assert notations(space)[:2] == ["swa[head_dim=16,window=32]", "swa[head_dim=32,window=32]"]


def test_a_space_survives_json_yaml_and_another_vocabulary() -> None:
    space = small({"a": {"qk_norm": [True, False]}, "f": {"ratio": [2, 2.5]}})
    assert SearchSpace.model_validate_json(space.model_dump_json()) == space
    assert SearchSpace.model_validate(yaml.safe_load(yaml.safe_dump(space.model_dump(mode="json")))) == space
    assert space.with_vocabulary(99).options == space.options
    assert hash(SearchSpace.model_validate(space.model_dump())) == hash(space)


def test_a_space_without_options_is_written_and_hashed_as_before_there_were_any() -> None:
    assert "options" not in small({}).model_dump()
    assert small({}) == SearchSpace.model_validate(SMALL)
    hashes = {name: content_hash(load_space(name).model_dump(mode="json")) for name in ("cpu", "paper")}
    assert hashes == {"cpu": "c66067a31b0959eb", "paper": "8b60c974c3d71f5a"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], r"options: expected something like \{a: .*, found \[\]"),
        (None, r"options: expected something like \{a: .*, found None"),
        ({"zz": {"heads": [4]}}, r"options\.zz: unknown operator \(known: a, swa, "),
        ({"z\nz": {"heads": [4]}}, r"options\.z z: unknown operator"),
        ({5: {"heads": [4]}}, r"options\.5: unknown operator"),
        ({"a": [4]}, r"options\.a: expected something like \{heads: \[4, 8\]\}, found \[4\]"),
        ({"a": {}}, r"options\.a: names no option \(known: heads, kv, head_dim, "),
        ({"a": {"colour": [4]}}, r"options\.a\.colour: 'a' has no such option \(known: heads, kv, "),
        ({"a": {"kv_heads": [1]}}, r"options\.a\.kv_heads: 'a' has no such option"),
        ({"a": {"heads": []}}, r"options\.a\.heads: expected a list of choices such as \[4, 8\], found \[\]"),
        ({"a": {"heads": 4}}, r"options\.a\.heads: expected a list of choices .*, found 4"),
        ({"a": {"heads": [0]}}, r"options\.a\.heads: 0 is not possible: .*greater than 0"),
        ({"a": {"heads": ["many"]}}, r"options\.a\.heads: many is not possible: .*valid integer"),
        ({"a": {"heads": [2.5]}}, r"options\.a\.heads: 2\.5 is not possible: "),
        ({"a": {"heads": [True]}}, r"options\.a\.heads: True is not possible: "),
        ({"a": {"heads": [None]}}, r"options\.a\.heads: None is no value of an option"),
        ({"a": {"heads": [[4]]}}, r"options\.a\.heads: \[4\] is no value of an option"),
        ({"a": {"rope_theta": [1e4, float("inf")]}}, r"options\.a\.rope_theta: inf is not possible: "),
        ({"f": {"ratio": [65]}}, r"options\.f\.ratio: 65 is not possible: .*less than or equal to 64"),
        ({"f": {"ratio": [3, 2, 3]}}, r"options\.f\.ratio: 3 is listed twice"),
        ({"f": {"ratio": [3, 3.0]}}, r"options\.f\.ratio: 3\.0 is listed twice"),
        ({"a": {"qk_norm": [True, "yes"]}}, r"options\.a\.qk_norm: yes is listed twice"),
        ({"d": {"conv": [2, 4]}}, r"options\.d\.conv: no member has 'd' \(there are a, f, m2, swa\)"),
        (
            {"swa": {"head_dim": [16, 32]}},
            r"mixers: swa\[head_dim=16\] says head_dim, and options\.swa\.head_dim lets stages choose it",
        ),
        (
            {"a": {"heads": [2, 4], "kv": [1, 4]}},
            r"options\.a: a\[heads=2,kv=4\] suits no width \(at 64: kv=4 .*heads=2",
        ),
        ({"a": {"heads": [4, 6]}}, r"widths: 64 does not suit a\[heads=6\]: heads=6 does not divide the width 64"),
        ({"a": {"heads": [5, 6]}}, r"options\.a: a\[heads=5\] suits no width \(at 64: heads=5 does not divide"),
        (
            {"swa": {"window": list(range(1, 4093))}, "f": {"hidden": [32, 64, 96]}},
            r"options: they make 4097 different operators, over 4096",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_path_in_one_line(tmp_path: Path, options: object, message: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(SMALL | {"options": options}))
    with pytest.raises(InputError, match=f"^search space {path}: {message}") as error:
        load_space(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ({"ffn": "f[ratio=3]"}, {"f": {"ratio": [2, 4]}}, r"f\[ratio=3\] says ratio, and options\.f\.ratio lets"),
        ({"mixers": ["a[kv_heads=2]"]}, {"a": {"kv": [1]}}, r"a\[kv_heads=2\] says kv, and options\.a\.kv lets"),
        ({"ffns": [0]}, {"f": {"ratio": [2]}}, r"options\.f\.ratio: no member has 'f'"),
    ],
)
def test_an_option_is_left_open_by_the_operators_and_some_member_has_it(
    changes: dict[str, object], options: object, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        small(options, **changes)


def test_too_many_operators_are_refused_before_they_are_made() -> None:
    many = list(range(1, 1001))
    with pytest.raises(ValueError, match=r"they make 1000000003 different operators, over 4096"):
        small({"swa": {"window": many, "heads": many, "kv": many}, "m2": {"state": [16, 32]}}, mixers=["swa", "m2"])
