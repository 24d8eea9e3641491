"""The process that measures: calls the functions that it is asked for, and answers in lines of JSON.

Whose turn it is stands in a file that it shares with its parent, so that the parent knows when it has died; and
writing there disturbs no sample, as a parent that wakes up to read a message would.
"""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from nas_search.child_process import Progress, answer, claim_stdout, in_hundredths, load_function, requests
from nas_search.errors import InputError, RunError, first_line
from nas_search.profiler.turns import At
from nas_search.space.operators.entry_points import OperatorImportWarning

NOBODY = -1
INDEX_BYTES = 4
ERROR_KINDS: dict[str, type[Exception]] = {"input": InputError, "run": RunError}
# When memory runs out the kernel is to end this process, not the search or the notebook that it measures for.
FIRST_TO_GO = "1000"


def main(turn: int) -> None:
    """Serve requests until the parent ends; ``turn`` is the descriptor of the shared file."""
    answers, arrived = claim_stdout(), requests()
    _go_first()
    warnings.filterwarnings("ignore", category=OperatorImportWarning)  # the parent has told
    warnings.showwarning = lambda message, *_, **__: answer(answers, {"warning": str(message)})

    def progress(done: int, total: int) -> None:
        answer(answers, {"done": done, "total": total})

    while True:
        answer(answers, _reply(arrived.get(), partial(write_turn, turn), in_hundredths(progress)))


def write_turn(file: int, index: int) -> None:
    """Say in the shared file that it is the turn of this network."""
    os.pwrite(file, index.to_bytes(INDEX_BYTES, "little", signed=True), 0)


def read_turn(file: int) -> int | None:
    """The index of the network whose turn it was last; None if there was none."""
    index = int.from_bytes(os.pread(file, INDEX_BYTES, 0), "little", signed=True)
    return None if index == NOBODY else index


def _reply(request: dict[str, Any], at: At, progress: Progress) -> dict[str, Any]:
    try:
        return {"result": load_function(request["function"])(request["arguments"], at, progress)}
    except Exception as error:
        kind = next((kind for kind, raised in ERROR_KINDS.items() if isinstance(error, raised)), None)
        reason = str(error) if kind else first_line(error)
        return {"error": kind, "reason": reason, "traceback": "".join(traceback.format_exception(error))}


def _go_first() -> None:
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(FIRST_TO_GO, encoding="ascii")


if __name__ == "__main__":
    main(int(sys.argv[1]))
