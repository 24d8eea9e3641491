"""Bytes and FLOPs of small networks, counted by hand, and what bound and estimate make of them."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_search.profiler.cells import PhaseSetting
from nas_search.profiler.phases import Phase
from nas_search.profiler.precision import Precision
from nas_search.profiler.roofline import (
    Rates,
    bound_ms,
    estimate_ms,
    fixed_work,
    largest_batch,
    layer_work,
    memory_bytes,
    sum_over_positions,
)
from nas_search.space.architecture import Architecture
from nas_search.space.notation import parse_operator

SINGLE, HALF = Precision.of("float32"), Precision.of("bfloat16")
# Bytes, and FLOPs, take a millisecond each; launches nothing.
MOVING, COMPUTING = Rates(1e3, 1e300, 0), Rates(1e300, 1e3, 0)

architectures = st.builds(
    lambda width, codes, vocabulary, meta, tied: Architecture(
        width=64 * width, operators=" ".join(codes), vocabulary=vocabulary, meta_tokens=meta, tied_head=tied
    ),
    st.integers(1, 8),
    st.lists(st.sampled_from(["a", "swa[window=16]", "m", "m2", "d", "gd", "gla", "r7", "f"]), min_size=1, max_size=12),
    st.integers(1, 200_000),
    st.integers(0, 300),
    st.booleans(),
)
phases = st.builds(Phase, st.sampled_from(["prefill", "step"]), st.integers(1, 2000))
precisions = st.sampled_from([SINGLE, HALF, Precision.of("bfloat16", "bfloat16")])
settings = st.builds(PhaseSetting, phases, st.integers(1, 64), precisions)
rates = st.builds(Rates, st.floats(1e6, 1e13), st.floats(1e6, 1e16), st.floats(0, 1))


def test_an_ffn_reads_its_weights() -> None:
    """Width 64 and 192 hidden: three matrices and the norm's gain."""
    ffn = parse_operator("f")
    for batch in (1, 7):
        step = layer_work(ffn, 64, PhaseSetting(Phase("step", 5), batch, HALF))
        assert step.moved_bytes == 2 * (3 * 64 * 192 + 64)
        assert step.flops == batch * 2 * 3 * 64 * 192
    prefill = layer_work(ffn, 64, PhaseSetting(Phase("prefill", 5), 7, HALF))
    # The residual stream of 7 x 5 positions comes in and goes out.
    assert prefill.moved_bytes == 2 * (3 * 64 * 192 + 64 + 2 * 7 * 5 * 64)
    assert prefill.flops == 7 * 5 * 2 * 3 * 64 * 192


def test_attention_reads_the_valid_prefix_and_writes_a_position() -> None:
    """Two query heads of 32 that share one key-value head."""
    attention = parse_operator("a")
    weights = 2 * 64 * (64 + 32) + 64
    step = layer_work(attention, 64, PhaseSetting(Phase("step", 100), 3, HALF))
    assert step.moved_bytes == 2 * (weights + 3 * (100 + 1) * 2 * 32)
    assert step.flops == 3 * (4 * 64 * (64 + 32) + 4 * 64 * 101)
    prefill = layer_work(attention, 64, PhaseSetting(Phase("prefill", 100), 3, HALF))
    assert prefill.moved_bytes == 2 * (weights + 3 * 100 * 2 * 32 + 2 * 3 * 100 * 64)
    # Token t attends to t + 1 tokens: 1 + 2 + ... + 100.
    assert prefill.flops == 3 * (100 * 4 * 64 * (64 + 32) + 4 * 64 * 5050)


def test_a_window_is_all_that_is_read() -> None:
    window = parse_operator("swa[window=16]")
    full, after = (layer_work(window, 64, PhaseSetting(Phase("step", context), 1, HALF)) for context in (16, 5000))
    assert full == after
    assert full.moved_bytes - layer_work(window, 64, PhaseSetting(Phase("step", 15), 1, HALF)).moved_bytes == 2 * 2 * 32


@pytest.mark.parametrize(("precision", "memory"), [(HALF, 4), (Precision.of("bfloat16", "bfloat16"), 2)])
def test_a_memory_is_read_and_written_in_its_own_format(precision: Precision, memory: int) -> None:
    """DeltaNet: two matrices of 32 x 32; three inputs of a convolution over three times the width."""
    deltanet = parse_operator("d")
    weights, matrices, inputs = deltanet.parameters(64) + 64, 2 * 32 * 32, 3 * 3 * 64
    step = layer_work(deltanet, 64, PhaseSetting(Phase("step", 100), 5, precision))
    assert step.moved_bytes == 2 * weights + 5 * (2 * memory * matrices + 2 * inputs)
    prefill = layer_work(deltanet, 64, PhaseSetting(Phase("prefill", 100), 5, precision))
    assert prefill.moved_bytes == 2 * weights + 5 * (memory * matrices + 2 * inputs) + 2 * 2 * 5 * 100 * 64


def test_of_the_embedding_rows_are_read_and_the_head_as_a_whole() -> None:
    step = fixed_work(64, 1000, PhaseSetting(Phase("step", 100), 3, SINGLE))
    assert step.moved_bytes == 4 * (3 * 64 + 64 + 1000 * 64 + 3 * 1000)
    assert step.flops == 3 * 2 * 64 * 1000
    prefill = fixed_work(64, 1000, PhaseSetting(Phase("prefill", 100), 3, SINGLE))
    assert prefill.moved_bytes - step.moved_bytes == 4 * (300 - 3) * 64
    assert prefill.flops == step.flops
    # There are no more rows than there are.
    everything = fixed_work(64, 1000, PhaseSetting(Phase("prefill", 400), 3, SINGLE))
    assert everything.moved_bytes == 4 * (1000 * 64 + 64 + 1000 * 64 + 3 * 1000)


@given(architectures, settings)
def test_flops_are_those_of_the_specs(architecture: Architecture, setting: PhaseSetting) -> None:
    """Of a prefill all positions but the last have no logits."""
    (kind, context), batch, _ = setting
    plain = architecture.model_copy(update={"meta_tokens": 0})
    positions = range(context) if kind == "prefill" else range(context, context + 1)
    head = 2 * plain.width * plain.vocabulary
    expected = batch * (sum(map(plain.flops, positions)) - head * (len(positions) - 1))
    assert bound_ms(architecture, setting, COMPUTING) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    "cost",
    [lambda t: 7, lambda t: 3 * t + 2, lambda t: min(t + 1, 100), lambda t: -(t**2), lambda t: max(5, 2 * t - 90)],
)
@given(positions=st.integers(0, 3000))
def test_sums_over_positions(cost: Callable[[int], int], positions: int) -> None:
    assert sum_over_positions(cost, positions) == sum(map(cost, range(positions)))


def test_long_sums_take_few_evaluations() -> None:
    evaluated = []

    def cost(position: int) -> int:
        evaluated.append(position)
        return min(position + 1, 512)

    assert sum_over_positions(cost, 2**24) == 512 * 513 // 2 + 512 * (2**24 - 512)
    assert len(evaluated) < 200


@given(architectures, settings, rates)
def test_bound_is_never_above_the_estimate(architecture: Architecture, setting: PhaseSetting, rates: Rates) -> None:
    bound, estimate = (of(architecture, setting, rates) for of in (bound_ms, estimate_ms))
    assert 0 < bound <= estimate * (1 + 1e-12)


@given(architectures, settings)
def test_what_is_bound_by_memory_follows_the_bandwidth(architecture: Architecture, setting: PhaseSetting) -> None:
    def bounds(rates: Rates) -> list[float]:
        wide = rates._replace(bandwidth_bytes_per_s=2 * rates.bandwidth_bytes_per_s)
        return [bound_ms(architecture, setting, each) for each in (rates, wide)]

    slow, fast = bounds(MOVING)
    assert slow == pytest.approx(2 * fast)
    same, again = bounds(COMPUTING)
    assert same == again


def test_an_estimate_adds_launches_and_layers() -> None:
    """DeltaNet waits for its bytes and the FFN for its FLOPs, so the whole is more than either sum."""
    network, setting = Architecture.parse("w64 vocab=10 d f"), PhaseSetting(Phase("step", 9), 1, HALF)
    deltanet, ffn = (layer_work(operator, 64, setting) for operator in network.operators)
    parts = [fixed_work(64, 10, setting), deltanet, ffn]
    rates = Rates(bandwidth_bytes_per_s=1e3, flops_per_s=950, launch_ms=0.5)
    moving, computing = [part.moved_bytes for part in parts], [part.flops / 0.95 for part in parts]
    assert moving[1] > computing[1]
    assert moving[2] < computing[2]
    apart = moving[0] + moving[1] + computing[2]
    assert estimate_ms(network, setting, rates) == pytest.approx(apart + 0.5 * (3 + 3 + 2))
    assert bound_ms(network, setting, rates) == pytest.approx(max(sum(moving), sum(computing)))
    assert bound_ms(network, setting, rates) < apart


def test_memory_of_a_network_by_hand() -> None:
    """Four meta tokens and ten others; keys and values of one head of 32; a tied head."""
    network = Architecture.parse("w64 vocab=100 meta=4 a d")
    weights = 2 * network.parameters
    cache, inputs, matrices = 2 * 14 * 2 * 32, 2 * 3 * 3 * 64, 4 * 2 * 32 * 32
    assert memory_bytes(network, 10, 3, HALF) == weights + 3 * (cache + inputs + matrices + 2 * 100)


@given(architectures, st.integers(1, 5000), precisions, st.integers(0, 2**34))
def test_the_largest_batch_fits_and_one_more_does_not(
    architecture: Architecture, context: int, precision: Precision, available: int
) -> None:
    batch = largest_batch(architecture, context, precision, available)
    assert batch >= 0
    assert memory_bytes(architecture, context, batch + 1, precision) > available
    assert batch == 0 or memory_bytes(architecture, context, batch, precision) <= available


@given(architectures, st.integers(1, 5000), precisions, st.integers(1, 1000), st.integers(0, 10_000))
def test_the_largest_batch_inverts_the_memory(
    architecture: Architecture, context: int, precision: Precision, batch: int, spare: int
) -> None:
    needed = memory_bytes(architecture, context, batch, precision)
    more = memory_bytes(architecture, context, batch + 1, precision) - needed
    assert largest_batch(architecture, context, precision, needed + min(spare, more - 1)) == batch
    assert largest_batch(architecture, context, precision, needed - 1) == batch - 1
