"""Objectives and limits as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_search.errors import InputError
from nas_search.profiler.workload import Workload
from nas_search.search.objectives import Limit, Quantity

NAMES = [
    "parameters",
    "decode:256",
    "prefill:512,batch=4",
    "generate:128,prompt=64",
    "throughput:32768",
    "memory:32768,dtype=bfloat16",
    "energy:256,dtype=bfloat16,state=bfloat16",
]
shares = st.floats(min_value=0, max_value=1, exclude_min=True)
tasks = st.just("recall") | st.integers(8, 10**6).map("needle:{}".format)


@given(st.sampled_from(NAMES), st.floats(min_value=0, exclude_min=True, allow_infinity=False))
def test_limits_read_what_they_write(name: str, bound: float) -> None:
    limit = Limit(Quantity.parse(name), bound)
    assert Limit.parse(str(limit)) == limit


@given(tasks, shares)
def test_limits_on_recall_read_what_they_write(name: str, bound: float) -> None:
    limit = Limit(Quantity.parse(name), bound)
    assert limit.quantity == Quantity(name) and limit.quantity.is_recall
    assert Limit.parse(str(limit)) == limit
    assert Limit.parse(str(limit).replace(">=", " >= ")) == limit


@given(tasks, shares, shares)
def test_recall_misses_a_limit_if_it_is_less(name: str, bound: float, accuracy: float) -> None:
    limit = Limit(Quantity(name), bound)
    assert (limit.over(accuracy) > 0) == (accuracy < bound)
    assert limit.over(accuracy) <= 1


@given(st.text(max_size=8), st.text(max_size=12))
def test_what_is_no_limit_on_recall_is_refused_in_one_line(between: str, after: str) -> None:
    text = f"recall{between}{after}"
    try:
        limit = Limit.parse(text)
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert limit.quantity.is_recall and 0 < limit.bound <= 1


@pytest.mark.parametrize(
    ("text", "name", "bound"),
    [
        ("prefill:256<=20ms", "prefill:256", 20.0),
        ("decode:256<=.5ms/token", "decode:256", 0.5),
        ("generate:128,prompt=64 <= 2s", "generate:128,prompt=64", 2000.0),
        ("decode:256<=250us", "decode:256", 0.25),
        ("memory:32768<=2GiB", "memory:32768", 2048.0),
        ("memory:32768<=1MB", "memory:32768", 1e6 / 2**20),
        ("parameters<=5M", "parameters", 5e6),
        ("throughput:1024>=500", "throughput:1024", 500.0),
        ("throughput:1024>=500tokens/s", "throughput:1024", 500.0),
        ("energy:256<=5mJ", "energy:256", 5.0),
        ("energy:256<=0.01J", "energy:256", 10.0),
        ("recall>=0.9", "recall", 0.9),
        ("recall >= 90%", "recall", 0.9),
        ("needle:512>=.5", "needle:512", 0.5),
    ],
)
def test_forms(text: str, name: str, bound: float) -> None:
    limit = Limit.parse(text)
    assert (limit.quantity.name, limit.bound) == (name, pytest.approx(bound))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "prefill:512<=20ms"),
        ("prefill:256", "prefill:512<=20ms"),
        ("prefill:256<20ms", "prefill:512<=20ms"),
        ("prefill:256<=ms", "prefill:512<=20ms"),
        ("prefill:256<=-3ms", "prefill:512<=20ms"),
        ("loss<=2", "only after training"),
        ("recall<=0.9", "write recall>=0.9"),
        ("recall>=90", "a share of answers, so one at the most; such as recall>=0.9"),
        ("recall>=0.9ms", "unit 'ms' is not one of recall; give no unit or %"),
        ("recall:4>=0.9", "'recall:4' is not one of recall, needle:LENGTH"),
        ("needle>=0.9", "'needle' is not one of recall, needle:LENGTH, such as needle:512"),
        ("needle:7>=0.9", "1 pairs for a needle need a length of 8"),
        ("needle:0512>=0.9", "is not one of recall"),
        ("losss<=2", "neither loss nor parameters nor recall nor one of needle:512, decode:256"),
        ("prefil:256<=2ms", "not one of decode"),
        ("prefill:256<=2MiB", "unit 'MiB' is not one of prefill:256; give ms or us or s"),
        ("prefill:256<=2", "a unit is missing; give ms or us or s"),
        ("memory:256<=2ms", "give MiB"),
        ("parameters<=5MiB", "give no unit or K or M or B"),
        ("throughput:1024<=500", "write throughput:1024>=500"),
        ("memory:256>=2GiB", "write memory:256<=2GiB"),
        ("parameters<=0", "greater than zero"),
        ("parameters<=1e999", "finite"),
    ],
)
def test_what_is_no_limit_is_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(InputError, match="limit") as error:
        Limit.parse(text)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_over_is_a_share_of_the_bound_in_the_direction_that_is_worse() -> None:
    assert Limit.parse("decode:256<=2ms").over(3.0) == pytest.approx(0.5)
    assert Limit.parse("decode:256<=2ms").over(2.0) == 0.0
    assert Limit.parse("throughput:256>=500").over(400.0) == pytest.approx(0.2)
    assert Limit.parse("throughput:256>=500").over(600.0) == pytest.approx(-0.2)


def test_a_workload_takes_the_device_s_number_format_unless_it_names_one() -> None:
    assert Quantity.parse("memory:64", "bfloat16").name == "memory:64,dtype=bfloat16"
    assert Quantity.parse("memory:64,dtype=float32", "bfloat16").workload == Workload.parse("memory:64")


def test_units_and_senses() -> None:
    assert [Quantity.parse(name).unit for name in ("loss", "parameters", "memory:64")] == [
        "bits per byte",
        "parameters",
        "MiB",
    ]
    assert [name for name in ("loss", *NAMES) if Quantity.parse(name).higher_is_better] == ["throughput:32768"]
