"""lm-eval without what it says while it works: figures belong to stdout, and progress is shown by the command."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from functools import partialmethod

_LOGGERS = ("lm_eval", "datasets", "huggingface_hub", "fsspec", "httpx")


@contextmanager
def quiet() -> Iterator[None]:
    """No bars, no logs, prints to stderr, and no further processes; all as before after it."""
    import datasets  # noqa: F401 (it and what it imports set their loggers' levels once, now at the latest)

    with ExitStack() as stack:
        for name in _LOGGERS:
            stack.enter_context(_level(logging.getLogger(name), logging.CRITICAL))
        stack.enter_context(_without_bars())
        stack.enter_context(_in_one_process())
        stack.enter_context(redirect_stdout(sys.stderr))
        yield


@contextmanager
def _level(logger: logging.Logger, level: int) -> Iterator[None]:
    before = logger.level
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.setLevel(before)


@contextmanager
def _without_bars() -> Iterator[None]:
    """Those of ``datasets`` have a switch, those of lm-eval only what tqdm takes when a bar is made."""
    import datasets
    from tqdm.std import tqdm

    shown, made = datasets.is_progress_bar_enabled(), tqdm.__init__
    datasets.disable_progress_bars()
    tqdm.__init__ = partialmethod(made, disable=True)
    try:
        yield
    finally:
        tqdm.__init__ = made
        if shown:
            datasets.enable_progress_bars()


@contextmanager
def _in_one_process() -> Iterator[None]:
    """Bootstrapped standard errors otherwise fork this process, with all that torch has running in it."""
    name = "DISABLE_MULTIPROC"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
