"""What is peculiar to worker processes of this machine."""

import os
import signal
from pathlib import Path

from stage import FUNCTIONS, Stage, ends

from nas_search.search.executors.local import LocalExecutor


def test_workers_die_with_a_driver_that_is_killed(tmp_path: Path) -> None:
    (tmp_path / "jobs").mkdir()
    driver = os.fork()
    if driver == 0:
        try:
            stage = Stage(LocalExecutor(tmp_path, 2, FUNCTIONS), tmp_path, tmp_path)
            stage.run(stage.job("one", "sleep long"), stage.job("two", "sleep long"))
        finally:
            os._exit(1)
    watching = Stage(LocalExecutor(tmp_path, 1), tmp_path, tmp_path)
    pids = [watching.pid(name) for name in ("one", "two")]
    os.kill(driver, signal.SIGKILL)
    os.waitpid(driver, 0)
    assert all(ends(pid) for pid in pids)
