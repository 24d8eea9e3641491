"""Search spaces whose stages choose options: genomes to architectures and back, mutation, the fastest member."""

import json
from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nas_search.errors import InputError
from nas_search.search.journal import Candidate
from nas_search.space.architecture import Architecture
from nas_search.space.genome import Genome
from nas_search.space.search_space import SearchSpace, load_space

# Each choice suits every width and every other choice.
OPTIONS: dict[str, dict[str, list[Any]]] = {
    "a": {"heads": [4, 8], "kv": [1, 2], "qk_norm": [True, False]},
    "swa": {"window": [16, 32, 64]},
    "m2": {"state": [16, 32]},
    "d": {"head_dim": [16, 32], "conv": [2, 4]},
    "f": {"ratio": [2, 2.5, 3]},
}
SMALL: dict[str, Any] = {
    "name": "small",
    "stages": ["early", "late"],
    "mixers": ["a", "m2"],
    "options": {"a": {"heads": [4, 8]}, "f": {"ratio": [2, 3]}},
    "ratios": ["0:1", "1:1"],
    "ffns": [0, 1],
    "max_repeats": 1,
    "interleave": ["none", "early-late"],
    "widths": [64],
    "max_operators": 5,
}


def small(**changes: object) -> SearchSpace:
    return SearchSpace.model_validate(SMALL | changes)


def some_width(space: SearchSpace) -> int | None:
    return space.widths[0] if space.width == "derived" else None


def genome_of(space: SearchSpace, **values: Any) -> Genome:
    """First choices, but for ``values``, whose names have an underscore for each dot."""
    named = {name.replace("_", "."): value for name, value in values.items()}
    assert named.keys() <= {gene.name for gene in space.genes}
    return tuple(named.get(gene.name, gene.choices[0]) for gene in space.genes)


@st.composite
def option_spaces(draw: st.DrawFn) -> SearchSpace:
    def some(choices: list[Any]) -> list[Any]:
        return draw(st.lists(st.sampled_from(choices), min_size=1, unique=True))

    stages = [f"s{index}" for index in range(draw(st.integers(1, 3)))]
    pairs = ["none", *map("-".join, pairwise(stages))]
    mixers, ffns = some(["a", "a[qkv_bias=yes]", "swa", "m2", "d"]), some([0, 1, 2, "between"])
    codes = {mixer.partition("[")[0] for mixer in mixers} | ({"f"} if ffns != [0] else set())
    options = {
        code: {name: some(OPTIONS[code][name]) for name in some(list(OPTIONS[code]))} for code in some(sorted(codes))
    }
    return SearchSpace(
        name="drawn",
        stages=stages,
        mixers=mixers,
        options=options,
        ratios=some(["0:1", "1:0", "1:1", "1:2", "2:1"]),
        ffns=ffns,
        max_repeats=draw(st.integers(1, 4)),
        interleave=some(pairs),
        widths=some([64, 128]),
        width=draw(st.sampled_from(["gene", "derived"])),
        max_operators=draw(st.integers(9, 18)),
    )


@st.composite
def spaces_with_genomes(draw: st.DrawFn) -> tuple[SearchSpace, Genome]:
    space = draw(option_spaces() | st.just(load_space("cpu-options")))
    return space, space.repair(tuple(draw(st.sampled_from(gene.choices)) for gene in space.genes))


@settings(deadline=None)
@given(spaces_with_genomes())
def test_encode_finds_a_genome_of_everything_that_decodes(drawn: tuple[SearchSpace, Genome]) -> None:
    space, genome = drawn
    width = some_width(space)
    architecture = space.decode(genome, width)
    assert space.decode(space.encode(architecture), width) == architecture
    assert set(architecture.operators) <= set(space.operator_specs())


@settings(deadline=None)
@given(spaces_with_genomes())
def test_canonical_builds_the_same_and_is_a_function_of_what_is_built(drawn: tuple[SearchSpace, Genome]) -> None:
    space, genome = drawn
    width, canonical = some_width(space), space.canonical(genome)
    assert space.decode(canonical, width) == space.decode(genome, width)
    assert space.canonical(canonical) == canonical
    assert space.encode(space.decode(genome, width)) == canonical


@settings(deadline=None)
@given(spaces_with_genomes(), st.integers(0, 2**32 - 1))
def test_mutate_changes_one_gene_before_repair_and_what_is_built(drawn: tuple[SearchSpace, Genome], seed: int) -> None:
    space, parent = drawn
    width = some_width(space)
    children = {
        space.repair((*parent[:index], choice, *parent[index + 1 :]))
        for index, gene in enumerate(space.genes)
        for choice in gene.choices
    }
    different = {child for child in children if space.decode(child, width) != space.decode(parent, width)}
    assume(different)
    assert space.mutate(parent, np.random.default_rng(seed)) in different


@settings(deadline=None)
@given(spaces_with_genomes())
def test_operators_of_one_code_have_the_options_of_their_stage(drawn: tuple[SearchSpace, Genome]) -> None:
    space, genome = drawn
    named = dict(zip((gene.name for gene in space.genes), genome, strict=True))
    live = [stage for stage in space.stages if named[f"{stage}.repeats"]]
    for operator in space.decode(genome, some_width(space)).operators:
        fields = operator.model_dump(by_alias=True)
        own = [option for option in space.options if option.code == operator.code]
        chosen = [tuple(named[f"{stage}.{option.code}.{option.name}"] for option in own) for stage in live]
        assert tuple(fields[option.name] for option in own) in chosen


def test_canonical_is_the_same_exactly_for_genomes_that_build_the_same() -> None:
    space = small()
    repaired = {space.repair(genome) for genome in product(*(gene.choices for gene in space.genes))}
    built = {genome: space.decode(genome).fingerprint for genome in repaired}
    canonical = {genome: space.canonical(genome) for genome in repaired}
    assert len(set(canonical.values())) == len(set(built.values()))
    assert len(set(zip(canonical.values(), built.values(), strict=True))) == len(set(built.values()))


def test_stages_choose_for_themselves() -> None:
    space = small(max_repeats=2)
    genome = genome_of(
        space, early_ffn=1, early_repeats=1, early_f_ratio=2, late_repeats=1, late_ffn=1, late_a_heads=8, late_f_ratio=3
    )
    assert space.decode(genome) == Architecture.parse("w64 a[heads=4] f[ratio=2] a[heads=8] f")
    interleaved = genome_of(
        space, early_repeats=2, late_repeats=2, late_a_heads=8, interleave="early-late", early_ratio="0:1"
    )
    assert space.decode(interleaved) == Architecture.parse("w64 (a[heads=4] a[heads=8])x2")
    assert space.canonical(interleaved) == interleaved


def test_genes_without_effect_have_their_first_choice() -> None:
    space = small()
    genome = genome_of(space, early_repeats=1, early_a_heads=8, early_f_ratio=3, late_a_heads=8, late_f_ratio=3)
    assert space.canonical(genome) == genome_of(space, early_repeats=1, early_a_heads=8)


@pytest.mark.parametrize(
    ("notation", "message"),
    [
        ("w64 a[heads=2]", r"a\[heads=2\] is not one of its operators"),
        ("w64 a", r"a is not one of its operators"),
        ("w64 a[heads=4] a[heads=8] a[heads=4]", "2 stages of at most 1 repeats, each with one choice of options,"),
        ("w64 a[heads=4] f m2 f[ratio=2] m2 f", "2 stages .* cannot give it"),
    ],
)
def test_encode_says_why_an_architecture_is_not_in_the_space(notation: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        small(max_operators=6).encode(Architecture.parse(notation))


@given(st.lists(st.floats(0, 10), min_size=5, max_size=5), st.sampled_from([[1], [0, 1], [1, "between"]]))
@settings(max_examples=30, deadline=None)
def test_fastest_is_the_minimum_over_all_members(costs: list[float], ffns: list[Any]) -> None:
    space = small(ffns=ffns, ratios=["1:1"], interleave=["none"])
    cost = dict(zip([spec.notation for spec in space.operator_specs()], costs, strict=True))

    def latency(network: Architecture) -> float:
        return sum(cost[operator.notation] for operator in network.operators)

    genomes = {space.repair(genome) for genome in product(*(gene.choices for gene in space.genes))}
    fastest = space.fastest(latency)
    assert latency(fastest) == min(latency(space.decode(genome)) for genome in genomes)
    assert space.decode(space.encode(fastest)) == fastest


def test_fastest_tries_each_block_with_its_own_options_alone() -> None:
    tried: list[str] = []

    def latency(network: Architecture) -> float:
        tried.append(network.notation)
        return float(network.parameters)

    small(ratios=["0:1"]).fastest(latency)
    assert tried == ["w64 a[heads=4]", "w64 a[heads=8]", "w64 m2"]


def test_samples_draw_options_evenly() -> None:
    space, rng = load_space("cpu-options"), np.random.default_rng(0)
    genomes = [space.sample(rng) for _ in range(1200)]
    for place, gene in enumerate(space.genes):
        if gene.name.count(".") == 2:
            counts = [sum(genome[place] == choice for genome in genomes) for choice in gene.choices]
            mean = 1200 / len(gene.choices)
            assert all(abs(count - mean) < 5 * mean**0.5 for count in counts)


def test_genomes_hold_plain_values_that_json_and_a_study_keep() -> None:
    space = small(options={"a": {"qk_norm": [True, False]}, "f": {"ratio": [2.5, 3]}, "m2": {"state": [16]}})
    rng = np.random.default_rng(0)
    for genome in (space.sample(rng), space.mutate(space.sample(rng), rng)):
        named = dict(zip((gene.name for gene in space.genes), genome, strict=True))
        candidate = Candidate(
            genome=named, architecture="", fingerprint="", parameters=1, latency_ms=1, figures={}, over={}, fate="train"
        )
        kept = Candidate.model_validate_json(candidate.model_dump_json()).genome
        assert json.dumps(kept) == json.dumps(named)
        assert {type(value) for value in genome} <= {str, int, float, bool}
