"""Tasks are found, or what is wrong is said in one line."""

from functools import partial
from pathlib import Path

import pytest
from eval_maker import make_tasks
from lm_eval.tasks import TaskManager

from nas_search.errors import InputError, RunError
from nas_search.results.evaluation.tasks import load_tasks

GROUP = "group: tiny_group\ntask: [tiny_choice, tiny_text]\naggregate_metric_list: [{metric: acc}]\n"
REMOTE = "task: remote\ndataset_path: nobody/has-this\noutput_type: multiple_choice\ntest_split: test\n"
FAULTY = "task: faulty\ndataset_path: json\noutput_type: telepathy\n"
LOST = "task: lost\ndataset_path: json\ndataset_kwargs: {data_files: {test: missing.jsonl}}\ntest_split: test\n"


@pytest.fixture
def without_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thousands of tasks of lm-eval take seconds to index."""

    def small(include_path: list[str], include_defaults: bool = True) -> TaskManager:
        return TaskManager(include_path=include_path, include_defaults=False)

    monkeypatch.setattr("nas_search.results.evaluation.tasks.TaskManager", small)


load = partial(load_tasks, shots=None, seed=0)


def test_names_and_files(tasks: Path) -> None:
    names = ["tiny_choice", str(tasks / "tiny_text.yaml")]
    assert list(load(names, [tasks])["tasks"]) == ["tiny_choice", "tiny_text"]


def test_wildcards_and_groups(tmp_path: Path, without_own: None) -> None:
    make_tasks(tmp_path)
    (tmp_path / "group.yaml").write_text(GROUP)
    assert list(load(["*_text", "tiny_a*"], [tmp_path])["tasks"]) == ["tiny_text", "tiny_answer"]
    assert list(load(["tiny_*"], [tmp_path])["tasks"]) == ["tiny_answer", "tiny_choice", "tiny_text"]
    loaded = load(["tiny_group"], [tmp_path])
    assert list(loaded["tasks"]) == loaded["group_map"]["tiny_group"] == ["tiny_choice", "tiny_text"]
    with pytest.raises(InputError, match="Duplicate task 'tiny_text'"):
        load(["tiny_group", "tiny_text"], [tmp_path])


def test_shots_are_those_of_the_task_unless_others_are_asked_for(tasks: Path) -> None:
    def shots(wanted: int | None) -> int:
        task = load_tasks(["tiny_choice"], [tasks], shots=wanted, seed=0)["tasks"]["tiny_choice"]
        return int(task.get_config("num_fewshot"))

    assert (shots(None), shots(2)) == (0, 2)


def test_unknown_names_have_near_ones(tasks: Path, without_own: None) -> None:
    with pytest.raises(InputError, match="no task 'tiny_chioce'; did you mean 'tiny_choice'"):
        load(["tiny_chioce"], [tasks])
    with pytest.raises(InputError, match=r"no task 'zzz'; --include FOLDER adds"):
        load(["zzz"], [tasks])
    with pytest.raises(InputError, match=r"no task '.*gone.yaml'"):
        load([str(tasks / "gone.yaml")], [tasks])
    with pytest.raises(InputError, match="no such folder"):
        load(["tiny_choice"], [tasks / "gone"])


def test_data_that_cannot_be_fetched_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "remote.yaml").write_text(REMOTE)
    with pytest.raises(RunError, match="task 'remote': its data set is not on this machine and cannot be fetched"):
        load(["remote"], [tmp_path])
    (tmp_path / "lost.yaml").write_text(LOST)
    with pytest.raises(RunError, match=r"task 'lost': its data set is not on this machine .*missing.jsonl"):
        load(["lost"], [tmp_path])


@pytest.mark.parametrize("text", [FAULTY, "task: [", "dataset_path: json"])
def test_a_faulty_file_is_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "faulty.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=r"task '.*faulty.yaml' cannot be loaded: \w+Error: ") as caught:
        load([str(path)], [])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("field", "message"), [("unsafe_code: true", "runs programs"), ("doc_to_image: x", "pictures")]
)
def test_what_is_no_task_for_text_is_said(tmp_path: Path, field: str, message: str) -> None:
    make_tasks(tmp_path)
    path = tmp_path / "tiny_answer.yaml"
    path.write_text(f"{path.read_text()}{field}\n")
    with pytest.raises(InputError, match=f"task 'tiny_answer': .*{message}"):
        load([str(path)], [])
