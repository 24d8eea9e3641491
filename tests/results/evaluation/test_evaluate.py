"""What lm-eval gives becomes scores, and nothing of how it works is left behind."""

import logging
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from eval_maker import make_network, make_tasks
from lm_eval.tasks import TaskManager
from tqdm.std import tqdm

from nas_search.errors import InputError, RunError
from nas_search.results.evaluation.evaluate import evaluate_network
from nas_search.results.evaluation.quiet import quiet
from nas_search.results.evaluation.record import Evaluation, Settings
from nas_search.results.evaluation.subject import Subject, find_subject
from nas_search.space.model import HybridLM

GROUP = """\
group: tiny_group
task: [tiny_choice, copy]
aggregate_metric_list: [{metric: acc, weight_by_size: true}]
metadata: {version: 7}
"""


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    return find_subject(make_network(tmp_path_factory.mktemp("net")))


def evaluate(subject: Subject, *tasks: str | Path, **settings: Any) -> Evaluation:
    asked = Settings(tasks=tuple(map(str, tasks)), **settings)
    return evaluate_network(subject, asked, batch=8, device="cpu", progress=lambda done, total: None)


def test_a_group_is_a_row_over_all_its_samples(
    subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def small(include_path: list[str], include_defaults: bool = True) -> TaskManager:
        return TaskManager(include_path=include_path, include_defaults=False)

    monkeypatch.setattr("nas_search.results.evaluation.tasks.TaskManager", small)
    make_tasks(tmp_path)
    copy = (tmp_path / "tiny_choice.yaml").read_text().replace("task: tiny_choice", "task: copy")
    (tmp_path / "copy.yaml").write_text(copy)
    (tmp_path / "group.yaml").write_text(GROUP)
    found = evaluate(subject, "tiny_group", include=(str(tmp_path),), limit_samples=3)
    rows = {score.task: score for score in found.scores if score.metric == "acc"}
    assert {name: score.n for name, score in rows.items()} == {"tiny_choice": 3, "copy": 3, "tiny_group": 6}
    assert rows["tiny_group"].version == "7"
    assert rows["tiny_group"].value == pytest.approx(rows["copy"].value)


def test_equal_settings_give_equal_scores(subject: Subject, tasks: Path) -> None:
    paths = [tasks / f"{name}.yaml" for name in ("tiny_choice", "tiny_answer")]
    first, again, other = (evaluate(subject, *paths, shots=2, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert {score.shots for score in other.scores} == {2}


def test_bootstrapped_errors_fork_nothing_and_print_nothing(
    subject: Subject, tasks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("multiprocessing.Pool", lambda *_: pytest.fail("forked"))
    path = tmp_path / "median.yaml"
    text = (tasks / "tiny_choice.yaml").read_text()
    path.write_text(text.replace("aggregation: mean", "aggregation: median"))
    found = evaluate(subject, path)
    assert all(score.stderr is not None for score in found.scores)
    assert capsys.readouterr().out == ""


def test_infinity_is_no_number(subject: Subject, tasks: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def not_finite(self: HybridLM, hidden: Any) -> Any:
        return logits(self, hidden) * float("nan")

    logits = HybridLM._logits
    monkeypatch.setattr(HybridLM, "_logits", not_finite)
    assert [score.value for score in evaluate(subject, tasks / "tiny_text.yaml").scores] == [None] * 3


def test_a_task_that_fails_is_one_line(subject: Subject, tasks: Path, tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text((tasks / "tiny_text.yaml").read_text().replace("{{text}}", "{{text.nothing}}"))
    with pytest.raises((InputError, RunError), match=r"wrong.yaml.*: \w+Error: .*nothing") as caught:
        evaluate(subject, path)
    assert "\n" not in str(caught.value)


def test_everything_is_as_before(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("lm_eval")

    def state() -> tuple[Any, ...]:
        return tqdm.__init__, logger.level, os.environ.get("DISABLE_MULTIPROC"), sys.stdout

    before = state()
    with pytest.raises(ZeroDivisionError), quiet():
        list(tqdm([1, 2]))
        print("told")
        logger.error("told")
        raise ZeroDivisionError
    assert state() == before
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "told\n")
