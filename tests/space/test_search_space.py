"""Search spaces: genomes to architectures and back, the published winners, bad files."""

import json
import subprocess
import sys
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_search.errors import InputError
from nas_search.space.architecture import Architecture
from nas_search.space.genome import Genome
from nas_search.space.notation import parse_operators
from nas_search.space.search_space import SearchSpace, load_space, space_names
from nas_search.space.zoo import load_zoo

PAPER = load_space("paper")
CPU = load_space("cpu")
LATENCY_WINNER = "d f m2 f a f m2 f d f m2 f a f m2 f d f m2 f d f m2 f"
PARAMETER_WINNER = "(m2 f a f a f d)x3 m2 f a f d f f"
TINY = {
    "name": "tiny",
    "stages": ["early", "late"],
    "mixers": ["a", "m2"],
    "ratios": ["0:1", "1:1"],
    "ffns": [0, 1, "between"],
    "max_repeats": 3,
    "interleave": ["none", "early-late"],
    "widths": [64, 128],
    "max_operators": 5,
}


def tiny(**changes: object) -> SearchSpace:
    return SearchSpace.model_validate(TINY | changes)


def paper_network(operators: str, width: int = 2048) -> Architecture:
    return Architecture(width=width, operators=parse_operators(operators), vocabulary=131072)


def some_width(space: SearchSpace) -> int | None:
    return space.widths[0] if space.width == "derived" else None


@st.composite
def spaces(draw: st.DrawFn) -> SearchSpace:
    stages = draw(st.integers(1, 4))
    names = [f"s{index}" for index in range(stages)]
    pairs = ["none", *(f"s{index}-s{index + 1}" for index in range(stages - 1))]

    def some(choices: list[Any]) -> list[Any]:
        return draw(st.lists(st.sampled_from(choices), min_size=1, unique=True))

    return SearchSpace(
        name="drawn",
        stages=names,
        mixers=some(["a", "swa[window=64]", "m2", "d"]),
        ratios=some(["0:1", "1:0", "1:1", "1:2", "2:1", "1:3"]),
        ffns=some([0, 1, 2, "between"]),
        max_repeats=draw(st.integers(1, 6)),
        interleave=some(pairs),
        widths=some([64, 96, 128]),
        width=draw(st.sampled_from(["gene", "derived"])),
        max_operators=draw(st.integers(12, 24)),
    )


@st.composite
def spaces_with_genomes(draw: st.DrawFn) -> tuple[SearchSpace, Genome]:
    space = draw(spaces() | st.sampled_from([PAPER, CPU]))
    return space, tuple(draw(st.sampled_from(gene.choices)) for gene in space.genes)


@pytest.mark.parametrize(("operators", "depth"), [(LATENCY_WINNER, 24), (PARAMETER_WINNER, 28)])
def test_the_paper_space_contains_both_published_winners(operators: str, depth: int) -> None:
    winner = paper_network(operators)
    assert winner.depth == depth
    decoded = PAPER.decode(PAPER.encode(winner), 2048)
    assert decoded == winner
    assert decoded.operators == parse_operators(operators)


def test_the_winners_are_the_interleaved_stages_of_the_comment_in_the_space_file() -> None:
    latency = ("d", "m2", "1:1", 1, 4, "a", "m2", "1:1", 1, 2, "d", "d", "0:1", 0, 0, "early-middle")
    parameters = ("m2", "a", "1:1", 1, 4, "a", "d", "1:1", "between", 3, "d", "d", "0:1", 2, 1, "early-middle")
    assert PAPER.decode(latency, 2048) == paper_network(LATENCY_WINNER)
    assert PAPER.decode(parameters, 2048) == paper_network(PARAMETER_WINNER)


def test_the_latency_winner_is_the_released_network_without_meta_tokens() -> None:
    released = load_zoo("nemotron-flash-1b")
    assert released.operators == paper_network(LATENCY_WINNER).operators
    with pytest.raises(InputError, match="meta_tokens is 0 there"):
        PAPER.encode(released)


@pytest.mark.parametrize("operators", [LATENCY_WINNER, PARAMETER_WINNER])
def test_the_space_as_the_text_of_the_paper_has_it_contains_neither_winner(operators: str) -> None:
    literal = SearchSpace.model_validate(PAPER.model_dump() | {"interleave": ["none"], "ffns": [0, 1, 2]})
    with pytest.raises(InputError, match="3 stages of at most 10 repeats cannot give it"):
        literal.encode(paper_network(operators))


@settings(deadline=None)
@given(spaces_with_genomes())
def test_a_repaired_genome_decodes_within_bounds(drawn: tuple[SearchSpace, Genome]) -> None:
    space, genome = drawn
    repaired = space.repair(genome)
    architecture = space.decode(repaired, some_width(space))
    assert 1 <= architecture.depth <= space.max_operators
    assert any(operator.mixes_tokens for operator in architecture.operators)
    assert architecture.width in space.widths
    assert space.repair(repaired) == repaired
    assert set(architecture.operators) <= set(space.operator_specs())


@settings(deadline=None)
@given(spaces_with_genomes())
def test_repair_touches_repeats_only(drawn: tuple[SearchSpace, Genome]) -> None:
    space, genome = drawn
    for gene, before, after in zip(space.genes, genome, space.repair(genome), strict=True):
        assert before == after or gene.name.endswith(".repeats")


@settings(deadline=None)
@given(spaces_with_genomes())
def test_encode_finds_a_genome_of_everything_that_decodes(drawn: tuple[SearchSpace, Genome]) -> None:
    space, genome = drawn
    architecture = space.decode(space.repair(genome), some_width(space))
    assert space.decode(space.encode(architecture), some_width(space)) == architecture


@settings(deadline=None)
@given(spaces_with_genomes())
def test_canonical_builds_the_same_and_is_idempotent(drawn: tuple[SearchSpace, Genome]) -> None:
    space, genome = drawn
    repaired = space.repair(genome)
    canonical = space.canonical(repaired)
    width = some_width(space)
    assert space.decode(canonical, width) == space.decode(repaired, width)
    assert space.canonical(canonical) == canonical == space.canonical(genome)


def test_canonical_is_the_same_exactly_for_genomes_that_build_the_same() -> None:
    space = tiny(max_repeats=2)
    repaired = {space.repair(genome) for genome in product(*(gene.choices for gene in space.genes))}
    built = {genome: space.decode(genome).fingerprint for genome in repaired}
    canonical = {genome: space.canonical(genome) for genome in repaired}
    assert len(set(canonical.values())) == len(set(built.values()))
    assert len(set(zip(canonical.values(), built.values(), strict=True))) == len(set(built.values()))


@settings(deadline=None)
@given(spaces_with_genomes(), st.integers(0, 2**32 - 1))
def test_mutate_changes_one_gene_before_repair_and_builds_something_else(
    drawn: tuple[SearchSpace, Genome], seed: int
) -> None:
    space, genome = drawn
    parent = space.repair(genome)
    neighbours = {
        space.repair((*parent[:index], choice, *parent[index + 1 :]))
        for index, gene in enumerate(space.genes)
        for choice in gene.choices
        if choice != parent[index]
    }
    width = some_width(space)
    different = {child for child in neighbours if space.decode(child, width) != space.decode(parent, width)}
    if not different:
        with pytest.raises(ValueError, match="builds anything else"):
            space.mutate(parent, np.random.default_rng(seed))
        return
    assert space.mutate(parent, np.random.default_rng(seed)) in different


@settings(deadline=None)
@given(spaces(), st.integers(0, 2**32 - 1))
def test_samples_decode_and_are_a_function_of_the_generator(space: SearchSpace, seed: int) -> None:
    genome = space.sample(np.random.default_rng(seed))
    assert space.sample(np.random.default_rng(seed)) == genome
    assert space.repair(genome) == genome
    if space.mixers[1:]:
        child = space.mutate(genome, np.random.default_rng(seed))
        assert space.mutate(genome, np.random.default_rng(seed)) == child


def test_genomes_hold_plain_values_that_json_keeps() -> None:
    rng = np.random.default_rng(0)
    for space in (PAPER, CPU):
        for genome in (space.sample(rng), space.mutate(space.sample(rng), rng)):
            assert tuple(json.loads(json.dumps(genome))) == genome
            assert {type(value) for value in genome} <= {str, int}


def test_a_space_with_one_member_has_no_mutation() -> None:
    lonely = tiny(mixers=["a"], ratios=["0:1"], ffns=[0], max_repeats=1, widths=[64], max_operators=1)
    with pytest.raises(ValueError, match="space tiny: no change of one gene builds anything else"):
        lonely.mutate(lonely.sample(np.random.default_rng(0)), np.random.default_rng(0))


def test_genes_are_named_after_their_stages_and_size_counts_genomes() -> None:
    names = [gene.name for gene in tiny().genes]
    assert names[:6] == ["early.first", "early.second", "early.ratio", "early.ffn", "early.repeats", "late.first"]
    assert names[-2:] == ["interleave", "width"]
    assert tiny().size == (2 * 2 * 2 * 3 * 4) ** 2 * 2 * 2
    assert [gene.name for gene in PAPER.genes][-1] == "interleave"


@pytest.mark.parametrize(
    ("genome", "message"),
    [
        (("a", "a"), "has 12 values, not 2"),
        (("a", "x", "0:1", 0, 1, "a", "a", "0:1", 0, 0, "none", 64), "gene early.second: 'x' is not one of"),
        (("a", "a", "1:1", 1, 3, "a", "a", "0:1", 0, 0, "none", 64), "12 operators, but 1 to 5"),
        (("a", "a", "1:1", 1, 0, "a", "a", "0:1", 0, 0, "none", 64), "0 operators, but 1 to 5"),
    ],
)
def test_decode_refuses_genomes_of_other_spaces_and_broken_ones(genome: Genome, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tiny().decode(genome)


def test_a_width_is_given_exactly_if_it_is_derived() -> None:
    gene, derived = tiny(), tiny(width="derived")
    genome = gene.sample(np.random.default_rng(0))
    with pytest.raises(ValueError, match="if, and only if"):
        gene.decode(genome, 64)
    with pytest.raises(ValueError, match="if, and only if"):
        derived.decode(genome[:-1])
    with pytest.raises(ValueError, match="width 65 is not one of"):
        derived.decode(genome[:-1], 65)
    assert derived.decode(genome[:-1], 128).width == 128


def test_widest_takes_the_widest_that_fits_or_none() -> None:
    genome = PAPER.encode(paper_network(LATENCY_WINNER))
    chosen = PAPER.widest(genome, lambda network: network.parameters <= 970_000_000)
    assert chosen is not None
    assert chosen.width == 2048
    assert PAPER.widest(genome, lambda network: network.parameters < 1) is None


@cache
def members_of_a_small_space(width: str) -> tuple[SearchSpace, tuple[Architecture, ...]]:
    space = tiny(ffns=[1, "between"], max_repeats=2, width=width)
    genomes = {space.repair(genome) for genome in product(*(gene.choices for gene in space.genes))}
    widths = space.widths if width == "derived" else (None,)
    built = {space.decode(genome, chosen) for genome in genomes for chosen in widths}
    return space, tuple(built)


@given(st.lists(st.floats(0, 10), min_size=5, max_size=5), st.sampled_from(["gene", "derived"]))
@settings(max_examples=40, deadline=None)
def test_fastest_is_the_minimum_over_all_members_for_an_additive_latency(costs: list[float], width: str) -> None:
    space, members = members_of_a_small_space(width)

    def latency(network: Architecture) -> float:
        cost = dict(zip(("a", "m2", "f"), costs, strict=False))
        fixed = costs[3] if network.width == 64 else costs[4]
        return fixed + sum(cost[operator.code] for operator in network.operators)

    fastest = space.fastest(latency)
    assert fastest in members
    assert latency(fastest) == pytest.approx(min(map(latency, members)))


def test_operator_specs_name_the_ffn_only_where_there_is_one() -> None:
    assert [spec.notation for spec in CPU.operator_specs()] == ["a", "swa[window=64]", "m2", "d", "f"]
    assert [spec.notation for spec in tiny(ffns=[0]).operator_specs()] == ["a", "m2"]


def test_the_vocabulary_comes_from_the_data() -> None:
    space = CPU.with_vocabulary(4096)
    architecture = space.decode(space.sample(np.random.default_rng(0)))
    assert architecture.vocabulary == 4096
    assert space.decode(space.encode(architecture)) == architecture
    assert CPU.decode(CPU.sample(np.random.default_rng(0))).vocabulary == 256
    with pytest.raises(InputError, match="vocabulary is 256 there"):
        CPU.encode(architecture)


@pytest.mark.parametrize(
    ("notation", "message"),
    [
        ("w80 a[head_dim=16]", "the widths there are 64, 128"),
        ("w64 d", "d is not one of its operators"),
        ("w64 (a)x6", "it has 6 operators, over 5"),
        ("w64 f a", "2 stages of at most 3 repeats cannot give it"),
        ("w64 untied a", "tied_head is True there"),
    ],
)
def test_encode_says_why_an_architecture_is_not_in_the_space(notation: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        tiny().encode(Architecture.parse(notation))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", space_names())
def test_packaged_spaces_load_and_survive_json(name: str) -> None:
    space = load_space(name)
    assert space.name == name
    assert SearchSpace.model_validate_json(space.model_dump_json()) == space


def test_a_space_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(TINY))
    assert load_space(path) == load_space(str(path)) == tiny()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mixers": ["a", "zz"]}, "mixers: .*unknown operator 'zz'"),
        ({"mixers": ["a", "f"]}, "mixers: f .* is no token mixer"),
        ({"mixers": ["a", "a"]}, "mixers: a is listed twice"),
        ({"mixers": []}, "mixers: "),
        ({"ffn": "a"}, "ffn: a .* is a token mixer"),
        ({"ratios": [62]}, 'ratios: 62 is not a ratio; write ratios in quotes, such as "1:2"'),
        ({"ratios": ["1-2"]}, "ratios: '1-2' is not a ratio"),
        ({"ffns": [0, "after"]}, r"ffns\.1: 'after' is neither a number of FFNs from 0 to 8 nor between"),
        ({"ffns": [True]}, r"ffns\.0: True is neither"),
        ({"max_repeats": 0}, "max_repeats: "),
        ({"max_repeats": "3"}, "max_repeats: "),
        ({"interleave": ["late-early"]}, "interleave: 'late-early' is not one of none, early-late"),
        ({"stages": ["one", "one"]}, "stages: one is listed twice"),
        ({"stages": ["a-b"]}, r"stages\.0: "),
        ({"widths": [64, 100]}, "widths: 100 does not suit a: head_dim=32 does not divide the width 100"),
        ({"width": "free"}, "width: "),
        ({"max_operators": 3}, "max_operators: 3 is less than the 4 operators of the longest block"),
        ({"colour": "red"}, "colour: "),
    ],
)
def test_a_wrong_field_is_named_with_its_file_in_one_line(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(TINY | changes))
    with pytest.raises(InputError, match=f"^search space {path}: {message}") as error:
        load_space(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: [1", "not YAML"),
        (b"", "valid dictionary"),
        (b"- 1\n", "valid dictionary"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"name: x\n", "mixers: Field required"),
        (b"a: \x00", "not YAML"),
    ],
)
def test_a_file_that_is_no_space_is_refused_in_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        load_space(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("papper", "did you mean 'paper'"),
        ("xyz", "there are all-operators, cpu, cpu-options, paper"),
        ("no/such.yaml", "cannot be read"),
    ],
)
def test_an_unknown_space_is_refused(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_space(name)


def test_spaces_and_the_zoo_do_not_import_torch() -> None:
    code = (
        "import sys; from nas_search.space.search_space import load_space; import nas_search.space.zoo as z; "
        "load_space('cpu'); z.load_zoo('qwen3-0.6b'); sys.exit('torch' in sys.modules)"
    )
    source = Path(__file__).parents[2] / "src"
    assert subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(source)}, check=False).returncode == 0
