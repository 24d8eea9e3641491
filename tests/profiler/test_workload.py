import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_search.errors import InputError
from nas_search.profiler.workload import MAX_BATCH, Workload

TOKENS = st.integers(1, 2**20)
BATCHES = st.integers(1, MAX_BATCH)
FORMATS = st.sampled_from(["float32", "bfloat16", "float16"]).flatmap(
    lambda dtype: st.fixed_dictionaries({"dtype": st.just(dtype), "state": st.sampled_from(["float32", dtype])})
)
KINDS = ["decode", "prefill", "throughput", "memory", "energy"]
WORKLOADS = st.one_of(
    st.builds(
        lambda formats, **fields: Workload(**fields, **formats),
        FORMATS, kind=st.sampled_from(KINDS), prompt=TOKENS, batch=BATCHES,
    ),
    st.builds(
        lambda formats, **fields: Workload(kind="generate", **fields, **formats),
        FORMATS, prompt=TOKENS, new_tokens=TOKENS, batch=BATCHES,
    ),
)  # fmt: skip


@given(WORKLOADS)
def test_round_trip(workload: Workload) -> None:
    assert Workload.parse(str(workload)) == workload


@given(WORKLOADS, WORKLOADS)
def test_text_is_canonical(one: Workload, other: Workload) -> None:
    assert (str(one) == str(other)) == (one == other)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("decode:256", Workload(kind="decode", prompt=256, new_tokens=1)),
        (" prefill:512,batch=2 ", Workload(kind="prefill", prompt=512, batch=2)),
        ("generate:128", Workload(kind="generate", prompt=1, new_tokens=128)),
        ("generate:128,prompt=64,dtype=float32", Workload(kind="generate", prompt=64, new_tokens=128)),
        ("throughput:512", Workload(kind="throughput", prompt=512, new_tokens=1, batch=MAX_BATCH)),
        ("throughput:512,batch=8", Workload(kind="throughput", prompt=512, new_tokens=1, batch=8)),
        ("memory:512,dtype=bfloat16", Workload(kind="memory", prompt=512, dtype="bfloat16")),
        ("energy:512,batch=2", Workload(kind="energy", prompt=512, new_tokens=1, batch=2)),
    ],
)
def test_parse(text: str, expected: Workload) -> None:
    assert Workload.parse(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not one of"),
        ("decode", "not one of"),
        ("decode:", "not one of"),
        ("decode:-3", "not one of"),
        ("sleep:256", "not one of"),
        ("decode:256:3", "not one of"),
        ("decode:0", "prompt"),
        ("generate:0", "new_tokens"),
        ("decode:256,prompt=3", "not an option of decode"),
        ("decode:256,batch", "not an option"),
        ("decode:256,batch=two", "not a whole number"),
        ("decode:256,batch=²", "not a whole number"),
        ("decode:256,batch=0", "batch"),
        ("decode:256,batch=1,batch=2", "given twice"),
        ("decode:256,dtype=int4", "dtype"),
        ("decode:256,state=bfloat16", "state"),
        ("decode:256,dtype=float16,state=bfloat16", "state"),
        ("memory:0", "prompt"),
        ("throughput:256,batch=99999999", "batch"),
        ("decode:99999999999999999999", "prompt"),
    ],
)
def test_bad_input_is_one_line(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        Workload.parse(text)
    assert "\n" not in str(caught.value)


@given(st.text(max_size=30))
def test_any_text_parses_or_is_refused(text: str) -> None:
    try:
        workload = Workload.parse(text)
    except InputError as error:
        assert "\n" not in str(error) or "\n" in text
    else:
        assert Workload.parse(str(workload)) == workload


def test_a_number_format_that_the_text_does_not_name() -> None:
    assert Workload.parse("decode:8", "bfloat16") == Workload.parse("decode:8,dtype=bfloat16")
    assert Workload.parse("decode:8,dtype=float32", "bfloat16") == Workload.parse("decode:8")
    assert str(Workload.parse("decode:8", "bfloat16").precision) == "bfloat16"
    assert str(Workload.parse("decode:8,state=bfloat16", "bfloat16").precision) == "bfloat16,state=bfloat16"


@pytest.mark.parametrize(
    ("text", "unit", "higher"),
    [
        ("decode:8", "ms/token", False),
        ("prefill:8", "ms", False),
        ("generate:8", "ms", False),
        ("throughput:8", "tokens/s", True),
        ("memory:8", "MiB", False),
        ("energy:8", "mJ/token", False),
    ],
)
def test_units(text: str, unit: str, higher: bool) -> None:
    workload = Workload.parse(text)
    assert (workload.unit, workload.higher_is_better) == (unit, higher)
    assert workload.is_latency == unit.startswith("ms")
