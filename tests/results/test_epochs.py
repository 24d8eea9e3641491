"""What reports say of data that is smaller than a budget."""

from pathlib import Path

from study_maker import make_study

from nas_search.results.report.settings import settings_section
from nas_search.results.view import RunView


def test_epochs_are_said_where_there_is_more_than_one(tmp_path: Path) -> None:
    study = make_study(tmp_path)
    assert study.facts is not None
    budget = study.config.largest_budget
    for tokens, said in (
        (None, False),
        (budget, False),
        (budget // 4, f"{budget // 4:,} tokens to train on, so {budget:,} are 4.0 epochs"),
    ):
        study.facts = study.facts.model_copy(update={"train_tokens": tokens})
        section = settings_section(RunView.of(study))
        assert ("epochs" in section) == bool(said)
        assert not said or said in section
