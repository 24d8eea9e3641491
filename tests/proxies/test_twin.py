"""Twins: the same operators, valid, in the order of their widths."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_search.proxies.twin import TwinRule, accepted_widths, scaled_widths, times_fewer, twin_rule
from nas_search.space.architecture import Architecture
from nas_search.space.notation import parse_operator
from nas_search.space.search_space import load_space, space_names

VOCABULARY = 256


@given(name=st.sampled_from(space_names()), seed=st.integers(0, 50), most=st.integers(400_000, 60_000_000))
def test_twins_have_the_same_operators_and_keep_the_order_of_widths(name: str, seed: int, most: int) -> None:
    space = load_space(name)
    largest = space.largest()
    rule = twin_rule(
        space.widths, space.operator_specs(), VOCABULARY, lambda rule: rule.twin(largest).parameters <= most
    )
    if rule is None:
        return
    assert rule.twin(largest).parameters <= most
    assert list(rule.widths) == sorted(space.widths)
    twins = list(rule.widths.values())
    assert twins == sorted(set(twins))
    assert all(twin <= width for width, twin in rule.widths.items())
    for member in space.sample_architectures(5, seed=seed):
        twin = rule.twin(member)
        assert twin.operators == member.operators
        assert (twin.vocabulary, twin.meta_tokens, twin.tied_head) == (VOCABULARY, member.meta_tokens, member.tied_head)
        assert Architecture.parse(twin.notation) == twin
        assert times_fewer(member, twin) >= 1


def test_the_widest_twins_that_fit_are_taken() -> None:
    space = load_space("paper")
    largest = space.largest()
    limits = (20_000_000, 40_000_000, 200_000_000, 10**10)
    rules = [
        twin_rule(
            space.widths, space.operator_specs(), VOCABULARY, lambda rule, m=m: rule.twin(largest).parameters <= m
        )
        for m in limits
    ]
    widest = [max(rule.widths.values()) for rule in rules if rule]
    assert len(widest) == len(limits)
    assert widest == sorted(set(widest))
    assert rules[-1] == TwinRule(widths={width: width for width in space.widths}, vocabulary=VOCABULARY)
    for rule, limit in zip(rules[:-1], limits, strict=False):
        accepted = accepted_widths(space.operator_specs(), space.widths)
        wider = accepted[accepted.index(max(rule.widths.values())) + 1]
        assert largest.model_copy(update={"width": wider, "vocabulary": VOCABULARY}).parameters > limit


def test_nothing_that_fits_is_none() -> None:
    space = load_space("cpu")
    assert twin_rule(space.widths, space.operator_specs(), VOCABULARY, lambda rule: False) is None


def test_heads_that_are_given_divide_the_twins_width() -> None:
    operators = [parse_operator("a[heads=12]"), parse_operator("f")]
    accepted = accepted_widths(operators, [768, 1536])
    assert accepted[:3] == [24, 48, 72]
    assert scaled_widths([768, 1536], 144, accepted) == {768: 72, 1536: 144}


def test_widths_that_are_no_multiples_stay_what_they_are_at_full_size() -> None:
    operators = [parse_operator("a[heads=10]"), parse_operator("f")]
    accepted = accepted_widths(operators, [100, 140])
    assert 100 in accepted and 140 in accepted
    assert scaled_widths([100, 140], 140, accepted) == {100: 100, 140: 140}


@given(
    widths=st.lists(st.integers(1, 400), min_size=1, max_size=8, unique=True),
    accepted=st.lists(st.integers(1, 400), min_size=1, max_size=40, unique=True),
    place=st.integers(0, 39),
)
def test_scaled_widths_are_different_and_near(widths: list[int], accepted: list[int], place: int) -> None:
    accepted.sort()
    widest = accepted[place % len(accepted)]
    room = [width for width in accepted if width <= widest]
    scaled = scaled_widths(widths, widest, accepted)
    if scaled is None:
        assert len(room) < len(widths)
        return
    assert scaled[max(widths)] == widest
    twins = list(scaled.values())
    assert twins == sorted(set(twins)) and set(twins) <= set(room)
    scale = widest / max(widths)
    for width, twin in scaled.items():
        free = [other for other in room if other not in twins]
        narrower, wider = (
            max((scaled[one] for one in widths if one < width), default=0),
            min((scaled[one] for one in widths if one > width), default=10**6),
        )
        between = [other for other in free if narrower < other < wider]
        assert all(abs(other - scale * width) >= abs(twin - scale * width) for other in between)


def test_a_rule_survives_json() -> None:
    rule = TwinRule(widths={64: 32, 128: 64}, vocabulary=300)
    assert TwinRule.model_validate_json(rule.model_dump_json()) == rule


def test_a_width_that_the_rule_does_not_know() -> None:
    with pytest.raises(KeyError):
        TwinRule(widths={64: 32}, vocabulary=300).twin(Architecture.parse("w96 a f"))
