"""The growth of the front."""

import pytest
from study_maker import make_study

from nas_search.results.progress import hypervolume_steps
from nas_search.search.study import Study


def test_hypervolume_never_falls_and_ends_at_that_of_the_front(study: Study) -> None:
    steps = hypervolume_steps(study.records(), study.goals, study.reference())
    volumes = [step.hypervolume for step in steps]
    assert volumes == sorted(volumes)
    assert volumes[-1] == pytest.approx(study.hypervolume())
    assert steps[-1].evaluations == sum(record.trained for record in study.records())
    assert steps[-1].seconds == pytest.approx(sum(record.seconds for record in study.records()))


def test_no_complete_trial_gives_no_step(tmp_path_factory: pytest.TempPathFactory) -> None:
    study = make_study(tmp_path_factory.mktemp("slow"), proposals=6, limit_ms=0.01)
    assert hypervolume_steps(study.records(), study.goals, study.reference()) == []
