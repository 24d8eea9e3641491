import pytest
from table_fakes import frame, table

from nas_search.search.simulation.table_members import LATENCY


def test_a_row_is_known_by_its_number_its_text_and_its_latency() -> None:
    rows, members = frame(), table().members
    genome = members.space.genomes[7]
    (prospect,) = members.prospects([genome])
    assert prospect.genome == genome == (1, "a", True, 3.5)
    assert (prospect.fingerprint, prospect.architecture) == ("7", "depth=1 mixer=a wide=True ratio=3.5")
    assert prospect.figures == {LATENCY: pytest.approx(rows["ms"][7])}


def test_genomes_without_a_row_stand_for_the_nearest_one() -> None:
    members = table(frame().drop(index=7)).members
    (prospect,) = members.prospects([(1, "a", True, 3.5)])
    assert prospect.architecture == "depth=1 mixer=a wide=False ratio=3.5"


def test_features_are_ranks_and_indicators() -> None:
    members = table().members
    found = members.features(members.space.genomes)
    assert found.shape == (120, 1 + 3 + 1 + 1)
    row = members.space.genomes.index((4, "d", True, 1.0))
    assert found[row] == pytest.approx([0.5, 0, 1, 0, 1, 1 / 3])
    picked = [members.space.genomes[index] for index in (5, 2)]
    assert (members.features(picked) == found[[5, 2]]).all()
