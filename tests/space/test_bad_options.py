"""Options of operators, good and bad: what is out of range is named with its rule, and what is accepted works."""

import math
from types import NoneType
from typing import Any, NamedTuple, get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from nas_search.errors import InputError
from nas_search.space.architecture import Architecture
from nas_search.space.notation import NotationError, parse_operators
from nas_search.space.operators.registry import operator_types

# What no option of a type may be, as text in the notation and as a value in Python.
BAD_TEXTS = {
    int: ("-1", "1000000000", "1" + "0" * 30, "9" * 5000, "1.5", "1e3", "0x10", "nan", "inf", "many"),
    float: ("-1", "nan", "inf", "-inf", "1e300", "1e400", "9" * 400, "0x10", "many"),
    bool: ("2", "-1", "nan", "maybe"),
}
BAD_VALUES: dict[type, tuple[Any, ...]] = {
    int: (-1, 10**9, 10**30, 1.5, math.nan, math.inf, "many", [1], {"value": 1}, object()),
    float: (-1.0, math.nan, math.inf, -math.inf, 1e300, 10**400, "many", [1.0], object()),
    bool: (2, "maybe", [True], math.nan, object()),
}


class Option(NamedTuple):
    """An option of an operator, by the name that the notation has for it."""

    code: str
    name: str
    kind: type


def kind_of(annotation: Any) -> type:
    """The type of an option's values, ``None`` aside."""
    kinds = [kind for kind in get_args(annotation) or (annotation,) if kind is not NoneType]
    assert kinds and kinds[0] in BAD_TEXTS, f"say in this file what is bad for an option of type {annotation}"
    return kinds[0]


OPTIONS = [
    Option(code, field.alias or name, kind_of(field.annotation))
    for code, spec in operator_types().items()
    for name, field in spec.model_fields.items()
]
every_option = pytest.mark.parametrize("option", OPTIONS, ids=lambda option: f"{option.code}-{option.name}")


def assert_names(message: str, option: Option, value: str) -> None:
    """One line with the option, its value (or its beginning, if it is long) and a rule behind it."""
    _, found, rule = message.partition(f"{option.name}={value[:70]}")
    assert found, message
    assert " should be " in rule or "exceeded maximum size" in rule, message
    assert "\n" not in message
    assert len(message) < 600


@every_option
def test_the_notation_points_at_the_option(option: Option) -> None:
    for value in BAD_TEXTS[option.kind]:
        text = f"f {option.code}[ {option.name} = {value}]"
        with pytest.raises(NotationError) as caught:
            parse_operators(text)
        assert caught.value.column == text.index(option.name, text.index("[")) + 1
        assert_names(str(caught.value), option, value)


@every_option
def test_yaml_names_the_file_and_the_option(option: Option) -> None:
    for value in BAD_TEXTS[option.kind]:
        text = f"width: 64\noperators: f {option.code}[{option.name}={value}]"
        with pytest.raises(InputError, match=r"^architecture net\.yaml: operators: notation, column \d+: ") as caught:
            Architecture.from_yaml(text, "net.yaml")
        assert_names(str(caught.value), option, value)


@every_option
def test_the_constructor_names_the_option(option: Option) -> None:
    for value in BAD_VALUES[option.kind]:
        with pytest.raises(ValidationError) as caught:
            operator_types()[option.code].model_validate({option.name: value})
        (problem,) = caught.value.errors()
        assert problem["loc"] == (option.name,)
        assert "should be" in problem["msg"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a[heads=7]", "heads=7 does not divide the width 64"),
        ("a[head_dim=24]", "head_dim=24 does not divide the width 64"),
        ("a[heads=4,kv=3]", "kv=3 does not divide heads=4"),
        ("a[heads=4096,head_dim=64]", "heads=4096 times head_dim=64 is more than 16 times the width 64"),
        ("swa[heads=7]", "heads=7 does not divide the width 64"),
        ("m2[head_dim=24]", "head_dim=24 does not divide the inner width 128"),
        ("m2[groups=3]", "groups=3 does not divide heads=4"),
        ("d[head_dim=24]", "head_dim=24 does not divide the width 64"),
        ("f[ratio=0.25]", "ratio=0.25 gives a hidden size below 32 at width 64"),
    ],
)
def test_what_does_not_suit_the_width_is_named_with_the_operator(text: str, message: str) -> None:
    (spec,) = parse_operators(text)
    for operators in (text, [text], (spec,)):
        with pytest.raises(InputError) as caught:
            Architecture.checked({"width": 64, "operators": operators}, "mine")
        assert str(caught.value) == f"architecture mine: operator 1 ({spec.notation}): {message}"


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("a[heads=4,heads=2]", 11, "'heads' is given twice"),
        ("a[heads=4,kv_heads=x]", 11, "kv_heads=x: input should be a valid integer"),
        ("a[kv=2,kv_heads=2]", 8, "'a' has no option 'kv_heads'"),
        ("f[depth=2]", 3, "'f' has no option 'depth' (known: ratio, hidden)"),
        ("a[=4]", 3, "expected options such as [heads=8,kv=2], found '=4'"),
        ("a[]", 3, "expected options"),
        ("m2[conv=65]", 4, "conv=65: input should be less than or equal to 64"),
        ("m2[state=4,conv=0]", 12, "conv=0: input should be greater than 0"),
    ],
)
def test_options_that_cannot_be_read(text: str, column: int, message: str) -> None:
    with pytest.raises(NotationError) as caught:
        parse_operators(text)
    assert caught.value.column == column
    assert message in str(caught.value)


@pytest.mark.parametrize("operators", [[{}], [{"heads": 2}], [1], [None], None, 3, {"a": 1}, [["a"]]])
def test_what_is_no_operator_is_bad_input(operators: Any) -> None:
    with pytest.raises(InputError, match=r"^architecture mine: operators") as caught:
        Architecture.checked({"width": 64, "operators": operators}, "mine")
    assert "\n" not in str(caught.value)


VALUES: dict[type, st.SearchStrategy[Any]] = {
    int: st.integers(1, 40) | st.sampled_from([64, 128, 256]),
    float: st.floats(0.125, 1e5),
    bool: st.booleans(),
}


@st.composite
def written_operators(draw: st.DrawFn, code: str) -> str:
    """An operator with any of its options; many suit no width."""
    own = [option for option in OPTIONS if option.code == code]
    chosen = draw(st.lists(st.sampled_from(own), unique=True, max_size=3)) if own else []
    return f"{code}[{','.join(f'{option.name}={draw(VALUES[option.kind])}' for option in chosen)}]" if chosen else code


@pytest.mark.parametrize("code", operator_types())
@given(data=st.data())
@settings(max_examples=60)
def test_what_is_accepted_runs_and_is_counted(code: str, data: st.DataObject) -> None:
    width = data.draw(st.sampled_from([24, 32, 48, 64]))
    text = data.draw(written_operators(code))
    try:
        (spec,) = Architecture.parse(f"w{width} {text}").operators
    except InputError as error:
        assert "=" in str(error)
        return
    module = spec.build(width).double()
    assert spec.parameters(width) == sum(p.numel() for p in module.parameters())
    x = torch.randn(1, 5, width, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(module(x), spec.reference()(module, x), rtol=1e-9, atol=1e-11)
