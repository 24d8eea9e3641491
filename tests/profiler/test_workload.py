import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_search.errors import InputError
from nas_search.profiler.workload import Workload

TOKENS = st.integers(1, 2**20)
BATCHES = st.integers(1, 4096)
WORKLOADS = st.one_of(
    st.builds(Workload, kind=st.sampled_from(["decode", "prefill"]), prompt=TOKENS, batch=BATCHES),
    st.builds(Workload, kind=st.just("generate"), prompt=TOKENS, new_tokens=TOKENS, batch=BATCHES),
)


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


def test_units() -> None:
    assert Workload.parse("decode:8").unit == "ms/token"
    assert Workload.parse("prefill:8").unit == "ms"
