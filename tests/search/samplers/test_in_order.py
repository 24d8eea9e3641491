"""The sampler ``enumerate``: every member of a small space once, in order."""

import itertools

from table_fakes import frame, table

from nas_search.search.simulation.simulate import simulate
from nas_search.space.search_space import SearchSpace

TINY = SearchSpace(
    name="tiny",
    stages=("early", "late"),
    mixers=("a", "m2"),
    ratios=("0:1", "1:1"),
    ffns=(0, 1),
    max_repeats=1,
    widths=(32, 64),
    max_operators=4,
    vocabulary=256,
)


def test_members_of_a_space_are_all_architectures_once() -> None:
    members = list(TINY.members())
    built = [TINY.decode(genome) for genome in members]
    every = itertools.product(*(gene.choices for gene in TINY.genes))
    assert len(set(built)) == len(built)
    assert set(built) == {TINY.decode(TINY.repair(genome)) for genome in every}
    assert all(TINY.canonical(genome) == genome for genome in members)


def test_a_search_goes_through_the_rows_in_order_and_ends_with_the_last() -> None:
    rows = frame().sample(40, random_state=1)
    made = table(rows)
    replay = simulate(made, "enumerate", trials=25, seed=0, workers=3)
    assert [record.fingerprint for record in replay.records] == [str(row) for row in range(25)]
    whole = simulate(made, "enumerate", trials=60, seed=0)
    trained = [record.fingerprint for record in whole.records if record.trained]
    assert trained == [str(row) for row in range(40)]
    assert {record.state for record in whole.records[40:]} == {"duplicate"}


def test_the_seed_does_not_matter() -> None:
    made = table(frame())
    one, other = (simulate(made, "enumerate", trials=10, seed=seed) for seed in (1, 2))
    assert [record.architecture for record in one.records] == [record.architecture for record in other.records]
