import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_search.search.simulation.table_space import NEAREST, TableSpace
from nas_search.space.genome import Gene, Genome

NUMBERS, WORDS = (1, 2, 4, 8, 16), ("a", "d", "m2")


@st.composite
def spaces(draw: st.DrawFn) -> TableSpace:
    """Some rows of up to five genes, of numbers or words."""
    choices = draw(st.lists(st.sampled_from([NUMBERS, WORDS]), min_size=1, max_size=5))
    genes = [Gene(f"g{index}", tuple(one)) for index, one in enumerate(choices)]
    row = st.tuples(*(st.sampled_from(gene.choices) for gene in genes))
    return TableSpace(genes, draw(st.lists(row, min_size=2, max_size=40, unique=True)))


@st.composite
def genomes(draw: st.DrawFn, space: TableSpace) -> Genome:
    return tuple(draw(st.sampled_from(gene.choices)) for gene in space.genes)


def differing(one: Genome, other: Genome) -> int:
    return sum(x != y for x, y in zip(one, other, strict=True))


def apart(space: TableSpace, one: Genome, other: Genome) -> int:
    """The distance of ranks over genes of numbers; words differ by one."""
    return sum(
        abs(gene.choices.index(x) - gene.choices.index(y)) if gene.choices == NUMBERS else x != y
        for gene, x, y in zip(space.genes, one, other, strict=True)
    )


@given(st.data())
def test_repair_gives_the_nearest_row_and_leaves_rows_as_they_are(data: st.DataObject) -> None:
    space = data.draw(spaces())
    genome = data.draw(genomes(space))
    repaired = space.repair(genome)
    ranked = [(differing(genome, row), apart(space, genome, row), index) for index, row in enumerate(space.genomes)]
    assert repaired == space.genomes[min(ranked)[2]]
    assert space.repair(repaired) == repaired
    assert (repaired == genome) == (genome in space.genomes)


@given(st.data(), st.integers(0, 2**32))
def test_a_mutation_is_another_row_in_one_gene_if_there_is_one(data: st.DataObject, seed: int) -> None:
    space = data.draw(spaces())
    genome = space.sample(np.random.default_rng(seed))
    mutated = space.mutate(genome, np.random.default_rng(seed))
    assert genome in space.genomes and mutated in space.genomes and mutated != genome
    others = sorted((differing(genome, row), apart(space, genome, row)) for row in space.genomes if row != genome)
    distance = differing(genome, mutated)
    assert distance == 1 if others[0][0] == 1 else (distance, apart(space, genome, mutated)) <= others[:NEAREST][-1]


def test_every_neighbour_is_found_by_mutation() -> None:
    genes = [Gene("x", NUMBERS), Gene("y", WORDS)]
    space = TableSpace(genes, [(x, y) for x in NUMBERS for y in WORDS])
    rng = np.random.default_rng(0)
    found = {space.mutate((4, "d"), rng) for _ in range(200)}
    assert found == {(x, "d") for x in NUMBERS if x != 4} | {(4, "a"), (4, "m2")}


def test_without_neighbours_a_mutation_is_one_of_the_few_nearest() -> None:
    genes = [Gene("x", tuple(range(30))), Gene("y", tuple(range(30)))]
    space = TableSpace(genes, [(i, i) for i in range(30)])
    rng = np.random.default_rng(0)
    found = {space.mutate((0, 0), rng) for _ in range(300)}
    assert found == {(i, i) for i in range(1, 1 + NEAREST)}


def test_random_rows_are_all_rows() -> None:
    space = TableSpace([Gene("x", NUMBERS)], [(8,), (2,), (16,)])
    rng = np.random.default_rng(0)
    assert {space.sample(rng) for _ in range(60)} == {(8,), (2,), (16,)}


def test_a_table_of_one_row_has_no_mutation() -> None:
    with pytest.raises(ValueError, match="one row"):
        TableSpace([Gene("x", NUMBERS)], [(8,)]).mutate((8,), np.random.default_rng(0))
