"""The limits that a report tells are those of its study."""

from dataclasses import replace
from pathlib import Path

import pytest
from study_maker import make_study

from nas_search.results.limits import limits_of, seed_spread
from nas_search.results.view import RunView
from nas_search.search.study import Study
from nas_search.space.architecture import Architecture


@pytest.fixture
def view(study: Study) -> RunView:
    return RunView.of(study)


def test_optimism_and_short_training_come_with_their_figures(view: RunView) -> None:
    text = "\n".join(limits_of(view))
    assert f"best of {view.trained} noisy scores" in text
    assert "7.0 % more time than predicted" in text
    assert "the farthest from it +7.0 %" in text
    assert "393,216 tokens" in text
    assert "short convolution" in text
    assert "CPU time" not in text


def test_seed_noise_is_that_of_the_confirmation(view: RunView) -> None:
    assert seed_spread(view) == pytest.approx(0.006 / 2**0.5)
    assert any("0.0042 bits per byte (one standard deviation, pooled" in sentence for sentence in limits_of(view))
    bare = replace(view, records=tuple(record.model_copy(update={"confirmed": None}) for record in view.records))
    assert seed_spread(bare) is None
    assert any("about 0.015 bits per byte" in sentence for sentence in limits_of(bare))


def test_cpu_clock_is_told(tmp_path: Path) -> None:
    assert "CPU time of the thread" in "\n".join(
        limits_of(RunView.of(make_study(tmp_path, proposals=8, clock="device")))
    )


def test_order_matters_only_where_it_does(view: RunView) -> None:
    several = replace(view, config=view.config.model_copy(update={"workers": 2}))
    strict = replace(several, config=several.config.model_copy(update={"deterministic": True}))
    assert any("same seed need not" in sentence for sentence in limits_of(several))
    assert not any("same seed need not" in sentence for sentence in limits_of(strict))


def test_nothing_trained_has_no_limits_of_training(tmp_path: Path) -> None:
    text = "\n".join(limits_of(RunView.of(make_study(tmp_path, proposals=8, limit_ms=0.01))))
    assert "convolution" not in text
    assert "optimistic" not in text


def test_a_device_that_is_not_here_is_told_with_its_source(remote: Study, tmp_path: Path) -> None:
    by_table = "\n".join(limits_of(RunView.of(remote)))
    assert "h100 was not there to measure on" in by_table
    assert "Measured end to end" not in by_table
    estimated = "\n".join(limits_of(RunView.of(make_study(tmp_path, proposals=8, elsewhere="estimate"))))
    assert "No figure of h100 here is measured: all are estimates" in estimated
    assert "not checked" not in estimated


def test_twins_are_told_with_how_much_smaller_they_are(remote: Study, view: RunView) -> None:
    text = "\n".join(limits_of(RunView.of(remote)))
    assert "width 64 as 32, 96 as 64, 128 as 96, 192 as 128, 256 as 160, and the 256 tokens" in text
    pairs = [(Architecture.parse(r.architecture), Architecture.parse(r.trained_as)) for r in remote.records()]
    times = sorted(network.parameters / twin.parameters for network, twin in pairs)
    assert f"Twins have {times[0]:#.2g} to {times[-1]:#.2g} times fewer parameters" in text
    assert not any("twin" in sentence for sentence in limits_of(view))
