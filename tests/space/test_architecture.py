"""Architectures: forms, costs and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_search.errors import InputError
from nas_search.space.architecture import Architecture

architectures = st.builds(
    lambda width, codes, vocabulary, meta, tied: Architecture(
        width=128 * width, operators=" ".join(codes), vocabulary=vocabulary, meta_tokens=meta, tied_head=tied
    ),
    st.integers(1, 16),
    st.lists(st.sampled_from(["a", "swa[window=16]", "m2", "f[ratio=2]", "f"]), min_size=1, max_size=12),
    st.integers(1, 200_000),
    st.integers(0, 300),
    st.booleans(),
)


@given(architectures)
def test_every_form_reads_back_equal(architecture: Architecture) -> None:
    assert Architecture.parse(architecture.notation) == architecture
    assert Architecture.from_yaml(architecture.to_yaml()) == architecture
    assert Architecture.model_validate_json(architecture.model_dump_json()) == architecture


@given(architectures, architectures)
def test_fingerprints_are_equal_exactly_for_equal_architectures(one: Architecture, other: Architecture) -> None:
    assert (one.fingerprint == other.fingerprint) == (one == other)


def test_default_options_do_not_make_a_difference() -> None:
    spelled = Architecture.parse("w128 swa[window=512] f[ratio=3.0]")
    assert spelled == Architecture.parse("w128 swa f")
    assert spelled.notation == "w128 swa f"


def test_counts_of_the_published_1b_model() -> None:
    flash = Architecture.parse("w2048 vocab=131072 meta=256 (d f m2 f a f m2 f)x2 (d f m2 f)x2")
    assert flash.depth == 24
    assert flash.parameters == 965_389_440
    assert flash.weight_bytes("bfloat16") == 2 * 965_389_440
    # Only the two attention layers grow with the context: 4 key-value heads of 128, keys and values.
    assert flash.state_bytes(1000, "bfloat16") - flash.state_bytes(0, "bfloat16") == 2 * 2 * 1000 * 2 * 512
    # Four DeltaNets with keys of 128 for 2048 values, six Mamba-2 with states of 128 for 4096 channels: in float32.
    narrow = flash.state_bytes(1000, "bfloat16", state_dtype="bfloat16")
    assert flash.state_bytes(1000, "bfloat16") - narrow == 2 * (4 * 128 * 2048 + 6 * 128 * 4096)
    assert flash.flops(1000) - flash.flops(0) == 2 * 4 * 2048 * 1000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("w128 a[heads=3]", "operator 1 (a[heads=3]): heads=3 does not divide the width 128"),
        ("w128 f a[heads=4,kv=3]", "operator 2 (a[heads=4,kv=3]): kv=3 does not divide heads=4"),
        ("w100 d", "operator 1 (d): head_dim=32 does not divide the width 100"),
        ("w100 m2", "head_dim=32 does not divide the inner width 200"),
        ("w96 m2[groups=4]", "groups=4 does not divide heads=6"),
        ("w96 a[heads=32]", "head_dim=3 is odd"),
        ("w8 f", "gives a hidden size below 32"),
        ("w0 a", "width"),
    ],
)
def test_impossible_sizes_name_the_operator_and_the_rule(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        Architecture.parse(text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("width: 64", "operators: Field required"),
        ("width: 64\noperators: a\ndepth: 3", "depth: Extra inputs"),
        ("width: [", "not YAML"),
        ("- 1", "valid dictionary"),
        ("width: 64\noperators: a zz", "unknown operator 'zz'"),
    ],
)
def test_bad_yaml_is_one_line(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        Architecture.from_yaml(text, "net.yaml")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_changed_copy_is_counted_anew() -> None:
    small = Architecture.parse("w64 a f")
    assert small.parameters > 0
    changed = small.model_copy(update={"vocabulary": 999})
    assert changed.notation == "w64 vocab=999 a f"
    assert changed.parameters > small.parameters


@given(st.floats(1.5, 1e9))
def test_options_keep_every_digit(theta: float) -> None:
    architecture = Architecture.parse(f"w64 a[rope_theta={theta!r}]")
    assert Architecture.parse(architecture.notation) == architecture
