"""The tasks that are meant: of lm-eval itself, of folders with further ones, or YAML files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from fnmatch import filter as matching
from pathlib import Path
from typing import Any

from lm_eval.tasks import TaskManager

from nas_search.errors import InputError, RunError, first_line


def load_tasks(names: Sequence[str], include: Sequence[Path], *, shots: int | None, seed: int) -> Any:
    """What lm-eval's ``evaluate`` takes: tasks and groups with their data sets.

    A name may have wildcards. ``shots`` replaces how many examples stand before a question, except where a task
    allows none; ``seed`` chooses them. Raises InputError for a name that there is not, a faulty task, and one that is
    not for language models of text, RunError if a data set cannot be had.
    """
    manager = _manager(names, include)
    found = [one for name in names for match in _matches(manager, name) for one in _load(manager, match)]
    try:
        loaded = manager.load(found)
    except ValueError as error:  # a task and its group
        raise InputError(f"--tasks: {error}") from None
    for name, task in loaded["tasks"].items():
        _check(name, task)
        own = task.get_config("num_fewshot")
        task.set_config(key="num_fewshot", value=own if shots is None or own == 0 else shots)
        if task.get_config("num_fewshot") is None:
            task.set_config(key="num_fewshot", value=0)
        task.set_fewshot_seed(seed=seed)
    return loaded


def _manager(names: Sequence[str], include: Sequence[Path]) -> TaskManager:
    """lm-eval's own thousands of tasks take seconds to index, so only where they are needed."""
    for folder in include:
        if not folder.is_dir():
            raise InputError(f"--include {folder}: no such folder; one with YAML files of tasks is needed")
    paths = [str(folder) for folder in include]
    small = TaskManager(include_path=paths, include_defaults=False)
    if all(_is_file(name) or name in small.all_subtasks for name in names):
        return small
    return TaskManager(include_path=paths)


def _matches(manager: TaskManager, name: str) -> list[str]:
    """Wildcards match tasks alone: a group has its tasks in it."""
    if _is_file(name) or name in manager.all_tasks:
        return [name]
    matches = matching(manager.all_subtasks, name)
    if matches:
        return matches
    close = get_close_matches(name, manager.all_tasks, n=3)
    hint = f"did you mean {_either(close)}?" if close else "--include FOLDER adds tasks beside those of lm-eval"
    raise InputError(f"no task '{name}'; {hint}")


def _load(manager: TaskManager, name: str) -> Iterable[Any]:
    """The task, the group, or the tasks with that tag."""
    try:
        loaded = manager.load([name])
    except OSError as error:
        raise RunError(
            f"task '{name}': its data set is not on this machine and cannot be fetched: {first_line(error)}"
        ) from error
    except Exception as error:  # a task is a program, and may raise anything
        raise InputError(f"task '{name}' cannot be loaded: {first_line(error)}") from error
    group = loaded["groups"].get(name)
    return loaded["tasks"].values() if group is None else [group]


def _check(name: str, task: Any) -> None:
    if getattr(task, "UNSAFE_CODE", False):
        raise InputError(f"task '{name}': runs programs that the network writes, which is not done here")
    if getattr(task, "MULTIMODAL", False):
        raise InputError(f"task '{name}': asks about pictures or sound, and the network reads text alone")


def _is_file(name: str) -> bool:
    return name.endswith((".yaml", ".yml")) and Path(name).is_file()


def _either(names: Sequence[str]) -> str:
    *others, last = (f"'{name}'" for name in names)
    return f"{', '.join(others)} or {last}" if others else last
