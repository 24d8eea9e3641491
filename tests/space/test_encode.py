"""Plans for sequences of operators."""

import pytest

from nas_search.space.blocks import arrange, build_block
from nas_search.space.encode import PlanFinder, block_catalogue, block_lengths
from nas_search.space.genome import StagePlan

RATIOS = ("0:1", "1:1", "1:3")
CATALOGUE = block_catalogue(("d", "m2", "a"), "f", RATIOS, (0, 1, 2, "between"))
LENGTHS = block_lengths(RATIOS, (0, 1, 2, "between"))


def built(stages: tuple[StagePlan, ...], interleaved: int | None) -> str:
    blocks = [build_block(stage, "f") for stage in stages]
    return " ".join(arrange(blocks, [stage.repeats for stage in stages], interleaved))


def test_the_catalogue_has_every_block_once_and_a_stage_that_builds_it() -> None:
    assert all(build_block(stage, "f") == block for block, stage in CATALOGUE.items())
    assert CATALOGUE[("m2", "f")].first == CATALOGUE[("m2", "f")].second == "m2"
    assert ("d", "f", "m2") in CATALOGUE
    assert ("d", "f", "m2", "m2") not in CATALOGUE
    assert tuple(sorted({len(block) for block in CATALOGUE})) == LENGTHS


@pytest.mark.parametrize(
    ("sequence", "stages", "interleaved"),
    [
        ("d f d f d f", 1, None),
        ("d f m2 f f a", 3, None),
        ("d m2 d m2 d d", 2, 0),
        ("a d m2 d m2 m2 m2", 3, 1),
    ],
)
def test_a_plan_that_is_found_arranges_to_the_sequence(sequence: str, stages: int, interleaved: int | None) -> None:
    plan = PlanFinder(tuple(sequence.split()), CATALOGUE, LENGTHS, 4).find(stages, interleaved)
    assert plan is not None
    assert built(plan, interleaved) == sequence


@pytest.mark.parametrize(
    ("sequence", "stages", "interleaved"),
    [
        ("f d", 3, None),
        ("d f f f", 3, 0),
        ("d d d d d", 1, None),  # five repeats of at most four
        ("d f m2 f f a", 1, None),
        ("d m2 a d m2 a d m2 a d m2 a d m2 a", 3, None),
    ],
)
def test_there_is_no_plan_for_what_the_stages_cannot_give(sequence: str, stages: int, interleaved: int | None) -> None:
    assert PlanFinder(tuple(sequence.split()), CATALOGUE, LENGTHS, 4).find(stages, interleaved) is None


def test_the_first_stage_covers_as_much_as_it_can_with_its_shortest_block() -> None:
    plan = PlanFinder(("d", "f") * 4, CATALOGUE, LENGTHS, 4).find(3, None)
    assert plan is not None
    assert [stage.repeats for stage in plan] == [4, 0, 0]
    assert plan[0].ratio == "0:1"
