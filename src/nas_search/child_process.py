"""A child process that runs one of our modules: the same imports as here, one thread, and an end with its parent.

Both ends talk in lines of JSON: requests on the child's standard input, answers on its standard output.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection
from importlib import import_module
from typing import IO, Any, TextIO

Progress = Callable[[int, int], None]

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
SECRETS = frozenset({"NAS_SEARCH_STORAGE", "PGPASSWORD"})
"""Variables that no child needs: only the driver talks to a storage."""
# A process that closed its output has this long to end by itself.
EXIT_SECONDS = 5.0
SIGN_OF_LIFE_SECONDS = 5.0
END_OF_PARENT = 0


def start_child(
    module: str, *arguments: str, log: IO[bytes] | None = None, files: Collection[int] = ()
) -> subprocess.Popen[bytes]:
    """Run ``module`` with pipes for both ends; ``log`` takes its standard error, ``files`` are descriptors it keeps.

    A new interpreter: a fork would share threads and CUDA with this one, and multiprocessing imports the caller's
    script again. Ctrl-C is for the parent alone.
    """
    return subprocess.Popen(
        [sys.executable, "-P", "-m", module, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        env={**_environment(), **ONE_THREAD, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        start_new_session=True,
        pass_fds=files,
    )


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in SECRETS}


def ask(process: subprocess.Popen[bytes], request: dict[str, Any]) -> None:
    """Send a request. A child that is dead by now is noticed when its output ends."""
    assert process.stdin is not None
    try:
        process.stdin.write(json.dumps(request).encode() + b"\n")
        process.stdin.flush()
    except BrokenPipeError:
        return


def stop_child(process: subprocess.Popen[bytes]) -> None:
    """End it now, if it has not ended."""
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            _close(pipe)


def how_it_ended(process: subprocess.Popen[bytes]) -> str:
    """How a child whose output has ended came to its end, for people."""
    try:
        code = process.wait(EXIT_SECONDS)
    except subprocess.TimeoutExpired:
        stop_child(process)
        return "it closed its output and did not end"
    stop_child(process)
    if code >= 0:
        return f"exit code {code}"
    name = signal.Signals(-code).name
    return f"killed by {name}, probably out of memory" if name == "SIGKILL" else f"killed by {name}"


def claim_stdout() -> TextIO:
    """In a child: keep standard output for answers; whatever else prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def requests() -> queue.SimpleQueue[dict[str, Any]]:
    """In a child: the requests as they arrive. When there can be no more the child ends, in the middle of anything."""
    arrived: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_read_requests, args=(arrived,), daemon=True).start()
    return arrived


def answer(answers: TextIO, message: dict[str, Any]) -> None:
    """In a child: send one line."""
    answers.write(json.dumps(message) + "\n")
    answers.flush()


def load_function(location: str) -> Callable[..., Any]:
    """The function at ``module:name``."""
    module, _, name = location.partition(":")
    function: Callable[..., Any] = getattr(import_module(module), name)
    return function


def in_hundredths(progress: Progress) -> Progress:
    """Progress in steps of at least a hundredth, or after some seconds: whoever waits sees that it does not hang."""
    told, told_at = -1, 0.0

    def report(done: int, total: int) -> None:
        nonlocal told, told_at
        hundredths, now = 100 * done // max(total, 1), time.monotonic()
        if hundredths != told or now - told_at > SIGN_OF_LIFE_SECONDS:
            told, told_at = hundredths, now
            progress(done, total)

    return report


def _read_requests(arrived: queue.SimpleQueue[dict[str, Any]]) -> None:
    for line in sys.stdin:
        arrived.put(json.loads(line))
    os._exit(END_OF_PARENT)


def _close(pipe: IO[bytes]) -> None:
    """Close a pipe whose other end may be gone with something left to write."""
    try:
        pipe.close()
    except BrokenPipeError:
        return
