"""Where operators stand."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from study_maker import make_study

from nas_search.results.report.depth_profile import BINS, best_tenth, depth_profile, depth_section
from nas_search.results.view import RunView
from nas_search.search.study import Study
from nas_search.space.architecture import Architecture


def test_networks_are_stretched_to_the_same_depth() -> None:
    profile = depth_profile([Architecture.parse("w64 a f"), Architecture.parse("w64 a a a f f f")])
    assert profile["a"] == pytest.approx([1.0] * (BINS // 2) + [0.0] * (BINS // 2))
    assert profile["f"] == pytest.approx([0.0] * (BINS // 2) + [1.0] * (BINS // 2))


@given(st.lists(st.lists(st.sampled_from(["a", "m2", "d", "f"]), min_size=1, max_size=30), min_size=1, max_size=6))
def test_every_slice_is_filled(networks: list[list[str]]) -> None:
    profile = depth_profile([Architecture.parse(f"w64 {' '.join(codes)}") for codes in networks])
    for index in range(BINS):
        assert sum(shares[index] for shares in profile.values()) == pytest.approx(1)


def test_the_best_tenth_is_on_the_front(study: Study) -> None:
    view = RunView.of(study)
    best = best_tenth(view)
    assert len(best) == -(-len(view.scored) // 10)
    front = {record.number for record in view.front}
    assert {record.number for record in best if record.state == "complete"} <= front


def test_the_section_says_how_many_or_that_there_are_too_few(study: Study, tmp_path: Path) -> None:
    view = RunView.of(study)
    html = depth_section(view)
    assert f"best tenth, n = {len(best_tenth(view))}" in html
    assert "are few: chance shows" in html
    assert "Too few networks" in depth_section(RunView.of(make_study(tmp_path, proposals=6, confirm=False)))
