"""Functions for a real process that measures: each goes wrong in its own way."""

import os
import signal
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

from nas_search.errors import InputError, RunError
from nas_search.profiler.isolated import measure_request
from nas_search.profiler.networks import TimedNetwork
from nas_search.profiler.timing import Progress, Task
from nas_search.profiler.turns import At

ILLEGAL = "CUDA error: an illegal memory access was encountered\nFor debugging consider passing CUDA_LAUNCH_BLOCKING=1"
DOOMED_WIDTH = 96
DOOMED_RUNS = 5


def tell(arguments: dict[str, Any], at: At, progress: Progress) -> dict[str, Any]:
    """Print, warn, get on, and say what kind of process this is."""
    print("not an answer", flush=True)
    os.write(1, b"nor this\n")
    warnings.warn("a slower kernel runs", stacklevel=1)
    for done in range(1001):
        progress(done, 1000)
    return {"given": arguments, "pid": os.getpid(), "threads": os.environ["OMP_NUM_THREADS"]}


def oom_score(arguments: dict[str, Any], at: At, progress: Progress) -> dict[str, Any]:
    """How likely this process is chosen when memory runs out."""
    return {"score": int(Path("/proc/self/oom_score_adj").read_text())}


def go_wrong(arguments: dict[str, Any], at: At, progress: Progress) -> dict[str, Any]:
    """Do what ``how`` says, in the turn ``at``."""
    if arguments["at"] is not None:
        for index in range(arguments["at"] + 1):
            at(index)
    return _WAYS[arguments["how"]]()


def hang(arguments: dict[str, Any], at: At, progress: Progress) -> dict[str, Any]:
    """Never end, once the file ``mark`` has the process's number."""
    Path(arguments["mark"]).write_text(str(os.getpid()))
    while True:
        time.sleep(60)


def die_at_the_doomed(arguments: dict[str, Any], at: At, progress: Progress) -> dict[str, Any]:
    """Measure really, but the process is killed by some run of each network of DOOMED_WIDTH."""
    phase_task = TimedNetwork.phase_task

    def deadly(self: TimedNetwork, *phase: Any) -> Task:
        task, left = phase_task(self, *phase), [DOOMED_RUNS]

        def run() -> object:
            left[0] -= 1
            return task.run() if left[0] else _die(signal.SIGKILL)

        return replace(task, run=run) if self.architecture.width == DOOMED_WIDTH else task

    TimedNetwork.phase_task = deadly  # type: ignore[method-assign]
    return measure_request(arguments, at, progress)


def die_at_once(arguments: dict[str, Any], at: At, progress: Progress) -> dict[str, Any]:
    """End before there is any network."""
    return _die(signal.SIGKILL)


def _die(by: signal.Signals) -> dict[str, Any]:
    os.kill(os.getpid(), by)
    raise AssertionError("alive")


def _fail(error: BaseException) -> dict[str, Any]:
    raise error


def _half_an_answer() -> dict[str, Any]:
    """What stands in the pipe when a process is killed while it writes."""
    answers = max(int(file.name) for file in Path("/proc/self/fd").iterdir() if _is_pipe(file))
    os.write(answers, b'{"result": {"val')
    return _die(signal.SIGKILL)


def _is_pipe(file: Path) -> bool:
    try:
        return str(file.readlink()).startswith("pipe:")
    except OSError:
        return False


_WAYS = {
    "SIGKILL": lambda: _die(signal.SIGKILL),
    "SIGSEGV": lambda: _die(signal.SIGSEGV),
    "exit": lambda: os._exit(3),
    "no memory": lambda: _fail(MemoryError()),
    "broken device": lambda: _fail(RuntimeError(ILLEGAL)),
    "bad input": lambda: _fail(InputError("the batch is too large")),
    "throttled": lambda: _fail(RunError("clocks are held down")),
    "half an answer": _half_an_answer,
}
