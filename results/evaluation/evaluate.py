"""Evaluating a trained network on tasks of EleutherAI's lm-eval."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from nas_search.errors import InputError, RunError, first_line
from nas_search.profiler.device import resolve_device
from nas_search.proxies.tokenizer import BYTES, ByteTokenizer
from nas_search.results.evaluation.record import Evaluation, Score, Settings
from nas_search.search.train_device import resolve_train_device

if TYPE_CHECKING:
    from nas_search.results.evaluation.likelihood import Progress
    from nas_search.results.evaluation.subject import Subject

RESAMPLES = 1000
"""Of the standard errors that are bootstrapped; those of means have a formula."""

_VERSIONS = ("lm-eval", "nas-search", "torch")


def check_installed() -> None:
    """Raises InputError if lm-eval is not there."""
    if find_spec("lm_eval") is None:
        raise InputError("lm-eval is not installed; pip install 'nas-search[eval]' has it")


def evaluate_network(
    subject: Subject, settings: Settings, *, batch: int, device: Literal["auto", "cpu", "cuda"], progress: Progress
) -> Evaluation:
    """Scores of ``subject`` on tasks; equal settings give equal scores on one machine.

    ``batch`` sequences are read together. Raises InputError without lm-eval, for tasks that there are not and for
    what they ask that a network cannot do, RunError if a data set cannot be had or a task fails.
    """
    check_installed()
    from nas_search.results.evaluation.quiet import quiet

    where = resolve_train_device(device)
    loaded = subject.loaded
    loaded.model.to(where)
    with quiet():
        results, model = _evaluate(subject, settings, batch, progress)
    return Evaluation(
        origin=subject.origin,
        architecture=loaded.architecture.notation,
        parameters=loaded.architecture.parameters,
        twin_of=None if loaded.twin_of is None else loaded.twin_of.notation,
        weights_hash=subject.weights_hash,
        tokenizer=BYTES if isinstance(loaded.tokenizer, ByteTokenizer) else f"bpe:{loaded.tokenizer.vocabulary}",
        settings=settings,
        cut=model.cut,
        longest=model.longest,
        trained_length=subject.trained_length,
        device=resolve_device(where).description,
        versions={name: version(name) for name in _VERSIONS},
        scores=tuple(_scores(results)),
    )


def _evaluate(subject: Subject, settings: Settings, batch: int, progress: Progress) -> tuple[Any, Any]:
    """lm-eval's results, and the model that it asked."""
    import numpy as np
    from lm_eval.evaluator import evaluate
    from torch import OutOfMemoryError

    from nas_search.results.evaluation.language_model import NetworkLM
    from nas_search.results.evaluation.tasks import load_tasks

    # Tasks may draw from these when they are loaded.
    random.seed(settings.seed)
    np.random.seed(settings.seed)
    include = [Path(folder) for folder in settings.include]
    tasks = load_tasks(settings.tasks, include, shots=settings.shots, seed=settings.seed)
    model = NetworkLM(
        subject.loaded.model,
        subject.loaded.tokenizer,
        batch=batch,
        max_length=settings.max_length,
        seed=settings.seed,
        progress=progress,
    )
    try:
        results = evaluate(model, tasks, limit=settings.limit_samples, bootstrap_iters=RESAMPLES, log_samples=False)
    except (InputError, RunError):
        raise
    except OutOfMemoryError:
        raise RunError(f"out of memory with {batch} sequences at once; give a smaller --batch") from None
    except Exception as error:  # a task is a program, and may raise anything
        raise RunError(f"tasks {', '.join(settings.tasks)}: {first_line(error)}") from error
    return results, model


def _scores(results: Any) -> Iterator[Score]:
    """A row for each metric; lm-eval names them ``acc,none`` and ``acc_stderr,none``."""
    for task, figures in results["results"].items():
        for key, value in figures.items():
            metric, comma, filter_name = key.partition(",")
            if not comma or metric.endswith("_stderr"):
                continue
            yield Score(
                task=task,
                version=str(results["versions"].get(task, "none")),
                metric=metric,
                filter=filter_name,
                value=_finite(value),
                stderr=_finite(figures.get(f"{metric}_stderr,{filter_name}")),
                n=figures.get("sample_count", {}).get(key, figures.get("sample_len", 0)),
                shots=results["n-shot"].get(task, 0),
                higher_is_better=results["higher_is_better"].get(task, {}).get(metric),
            )


def _finite(value: Any) -> float | None:
    """None for what is no number, such as lm-eval's ``N/A``, and for infinity."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
