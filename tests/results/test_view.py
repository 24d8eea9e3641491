"""What a report reads of a study."""

from dataclasses import replace
from pathlib import Path

import pytest
from study_maker import make_study

from nas_search.errors import InputError
from nas_search.results.view import RunView
from nas_search.search.config import SearchConfig
from nas_search.search.goals import Goals
from nas_search.search.study import Study


def test_a_finished_study(study: Study) -> None:
    view = RunView.of(study)
    assert view.finished
    assert view.unit == "ms/token"
    assert view.members == view.front
    assert view.trained == sum(record.state in {"complete", "stopped", "failed"} for record in view.records)


def test_the_workload_is_in_the_number_format_of_the_search(study: Study) -> None:
    view = RunView.of(study)
    half = Goals.stored(("decode:256,dtype=bfloat16", "loss"), ())
    assert view.workload.dtype == "float32"
    assert replace(view, goals=half).workload.dtype == "bfloat16"


def test_a_running_trial_means_unfinished(tmp_path: Path) -> None:
    assert not RunView.of(make_study(tmp_path, proposals=8, unfinished=True)).finished


def test_a_front_without_confirmation_means_unfinished(tmp_path: Path) -> None:
    assert not RunView.of(make_study(tmp_path, proposals=8, confirm=False)).finished


def test_without_any_feasible_trial_a_run_can_be_finished(tmp_path: Path) -> None:
    assert RunView.of(make_study(tmp_path, proposals=8, limit_ms=0.01)).finished


def test_a_search_that_has_not_begun_has_no_report(tmp_path: Path, study: Study) -> None:
    (tmp_path / "config.yaml").write_text(SearchConfig().to_yaml())
    (tmp_path / "space.yaml").write_bytes((study.run_dir / "space.yaml").read_bytes())
    with pytest.raises(InputError, match="not begun"):
        RunView.of(Study.open(tmp_path))


def test_the_command_quotes_its_paths(tmp_path: Path) -> None:
    folder = tmp_path / "my run; rm"
    folder.mkdir()
    view = RunView.of(make_study(folder, proposals=4))
    assert f"--config '{folder}/config.yaml' --table '{folder}/table.parquet'" in view.command
