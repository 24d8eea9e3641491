from hypothesis import given
from hypothesis import strategies as st

from nas_search.profiler.layers import NetworkSet
from nas_search.profiler.network_memory import NetworkMemory
from nas_search.profiler.precision import Precision
from nas_search.profiler.roofline import largest_batch, memory_bytes
from nas_search.space.architecture import Architecture

LAYERS = st.lists(
    st.sampled_from(["a", "swa[window=64]", "m", "m2", "d", "gd", "gla", "r7", "f"]), min_size=1, max_size=9
)
HEADERS = st.sampled_from(["w64", "w128", "w128 untied", "w128 vocab=1000"])
NETWORKS = st.lists(
    st.builds(lambda header, layers: f"{header} {' '.join(layers)}", HEADERS, LAYERS), min_size=1, max_size=6
)
PRECISIONS = st.sampled_from([Precision.of("float32"), Precision.of("bfloat16"), Precision.of("float16", "float16")])


@given(NETWORKS, PRECISIONS, st.integers(1, 5000), st.integers(1, 9), st.integers(0, 2**28))
def test_exactly_what_the_formula_says_of_each(
    texts: list[str], precision: Precision, context: int, batch: int, available: int
) -> None:
    networks = [Architecture.parse(text) for text in texts]
    memory = NetworkMemory.of(NetworkSet(networks), context, precision)
    assert memory.needed(batch).tolist() == [memory_bytes(one, context, batch, precision) for one in networks]
    expected = [largest_batch(one, context, precision, available) for one in networks]
    assert memory.largest_batch(available).tolist() == expected
