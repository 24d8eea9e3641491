"""The largest member of a space."""

from itertools import product

import pytest

from nas_search.space.largest import heaviest_stages
from nas_search.space.search_space import SearchSpace, load_space, space_names


@pytest.mark.parametrize("name", space_names())
def test_no_sampled_member_is_larger_and_it_is_a_member(name: str) -> None:
    space = load_space(name)
    largest = space.largest()
    assert all(member.parameters <= largest.parameters for member in space.sample_architectures(300, seed=1))
    assert space.decode(space.encode(largest), None if space.width == "gene" else largest.width) == largest


def test_it_is_the_largest_of_all_members() -> None:
    space = SearchSpace.model_validate({
        "name": "few", "stages": ["one", "two"], "mixers": ["a", "m2"],
        "ratios": ["0:1", "1:1"], "ffns": [0, 1, "between"],
        "max_repeats": 2, "interleave": ["one-two"], "widths": [32, 64], "max_operators": 7,
        "options": {"f": {"ratio": [2, 3]}},
    })  # fmt: skip
    genomes = (space.repair(genome) for genome in product(*(gene.choices for gene in space.genes)))
    assert space.largest().parameters == max(space.decode(genome).parameters for genome in dict.fromkeys(genomes))


def test_room_is_filled_by_weight_not_by_length() -> None:
    blocks = [("x",), ("y", "y", "y")]
    assert heaviest_stages(blocks, {"x": 5, "y": 4}, 1, max_repeats=2, max_operators=4) == ((("y", "y", "y"), 1),)
    assert heaviest_stages(blocks, {"x": 5, "y": 4}, 2, max_repeats=2, max_operators=4) == ((("x",), 2), (("x",), 2))
