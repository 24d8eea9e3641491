"""A search on two Ray nodes of this machine: the same front as without Ray, also when a node dies, and busy workers.

    python experiments/faults/ray_cluster.py [--table TABLE] [--trials 6] [--uneven-trials 120]

Three searches with the same latency table and `--deterministic`, really training: by worker processes, on two Ray
nodes, and on two Ray nodes of which one is killed at the second trial. Fronts must be the same to the last digit. Then
one search with 4 workers whose trainings only sleep, 1 to 19 seconds; its workers may be idle 10 % of the time, from
the first proposal to the last result, start included. Without `--table` the first search records one. The last line
is one JSON document.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from nas_search.profiler.device import resolve_device
from nas_search.search.config import SearchConfig
from nas_search.search.events import SilentObserver
from nas_search.search.executors.base import WORKER_LOG, Executor
from nas_search.search.executors.cluster.connection import RayConnection, connect
from nas_search.search.executors.cluster.executor import RayExecutor
from nas_search.search.executors.cluster.measuring import MeasuringNodes
from nas_search.search.executors.cluster.needs import training_needs
from nas_search.search.jobs import FUNCTIONS
from nas_search.search.run import run_search
from nas_search.search.study import Study
from nas_search.search.trial import TrialRecord

WORKERS = 4
KILLED_AT_TRIAL = 2
MOST_IDLE = 0.10
REAL = {"tokens": 36_864, "lowest_rung": 12_288, "confirm_members": 0, "workers": WORKERS, "deterministic": True}
UNEVEN = {"tokens": 24_576, "lowest_rung": 24_576, "confirm_members": 0, "workers": WORKERS}
NODE: dict[str, Any] = {"num_cpus": 2, "node_ip_address": "127.0.0.1"}


class Killer(SilentObserver):
    """Kills a node when so many trials were told."""

    def __init__(self, cluster: Any, node: Any) -> None:
        self._cluster, self._node, self._trials = cluster, node, 0

    def trial(self, record: TrialRecord) -> None:
        """A trial ended."""
        self._trials += 1
        if self._trials == KILLED_AT_TRIAL:
            self._cluster.remove_node(self._node, allow_graceful=False)


@contextmanager
def two_nodes() -> Iterator[tuple[Any, Any]]:
    """A cluster on this machine's own address, and its second node."""
    # The last one, read when Ray is imported: 127.0.0.1 is not to be a name of the address that others know.
    os.environ |= {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AUTH_MODE": "disabled",
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    }
    from ray.cluster_utils import Cluster

    cluster: Any = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
    try:
        yield cluster, cluster.add_node(**NODE)
    finally:
        cluster.shutdown()


def front(study: Study) -> list[tuple[str, float | None, float | None]]:
    return [(record.architecture, record.latency_ms, record.bits_per_byte) for record in study.front()]


def told(study: Study) -> list[tuple[int, str, str, float | None]]:
    """All trials, as far as clocks do not enter."""
    return [(one.proposal_index, one.architecture, one.state, one.bits_per_byte) for one in study.records()]


def sleeping_executor(connection: RayConnection, run_dir: Path, workers: int) -> Executor:
    return RayExecutor(
        connection,
        run_dir,
        workers,
        needs=training_needs("cpu"),
        measuring=MeasuringNodes(connection),
        functions={**FUNCTIONS, "train": "ray_jobs:sleep"},
    )


def deaths(run_dir: Path) -> list[str]:
    log = run_dir / WORKER_LOG
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    return [line for line in lines if line.startswith("a worker died at ")]


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


def same_fronts(folder: Path, table: Path | None, trials: int) -> tuple[dict[str, Any], Path]:
    """The three searches, and the table that they share."""
    config = SearchConfig.checked({**REAL, "trials": trials, "table": table})
    local = run_search(config, folder / "local", SilentObserver())
    say(f"worker processes: {len(local.front())} members of the front, {local.utilisation}")
    table = folder / "local" / "table.parquet"
    with two_nodes() as (cluster, second):
        fields = {**config.model_dump(), "table": table, "executor": "ray", "ray_address": cluster.address}
        on_ray = SearchConfig.checked(fields)
        whole = run_search(on_ray, folder / "ray", SilentObserver())
        say(f"two Ray nodes: {whole.utilisation}")
        torn = run_search(on_ray, folder / "torn", Killer(cluster, second))
        left = sum(bool(node["Alive"]) for node in _nodes(cluster))
    lost = deaths(folder / "torn")
    say(f"one of them killed at trial {KILLED_AT_TRIAL}: {torn.utilisation}; jobs that were lost: {len(lost)}")
    for line in lost:
        say(f"  {line}")
    return {
        "trials": len(local.records()),
        "front": front(local),
        "ray_same_front": front(whole) == front(local) and told(whole) == told(local),
        "node_killed_same_front": front(torn) == front(local) and told(torn) == told(local),
        "nodes_left": left,
        "jobs_lost_and_done_again": len(lost),
    }, table


def _nodes(cluster: Any) -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = cluster.global_state.node_table()
    return nodes


def busy_workers(folder: Path, table: Path, trials: int) -> dict[str, Any]:
    """A search whose trainings only sleep."""
    config = SearchConfig.checked({**UNEVEN, "trials": trials, "table": table})
    jobs = Path(__file__).with_name("ray_jobs.py")
    with two_nodes() as (cluster, _), closing(connect(cluster.address, WORKERS, [jobs])) as connection:
        study = run_search(
            config, folder / "uneven", SilentObserver(), make_executor=partial(sleeping_executor, connection)
        )
    found = study.utilisation
    assert found is not None
    say(f"uneven trainings, {WORKERS} workers, {trials} trials: {found}; load {os.getloadavg()[0]:.1f}")
    say(f"  seconds of the driver: {', '.join(f'{name} {seconds:.0f}' for name, seconds in study.seconds.items())}")
    return {"workers": WORKERS, "uneven_trials": trials, **found.model_dump(), "idle_share": found.idle_share}


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path)
    parser.add_argument("--trials", type=int, default=6)
    parser.add_argument("--uneven-trials", type=int, default=120)
    options = parser.parse_args(arguments)
    print(f"{resolve_device('cpu').description}; load {os.getloadavg()[0]:.1f} before; {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as folder:
        fronts, table = same_fronts(Path(folder), options.table, options.trials)
        busy = busy_workers(Path(folder), table, options.uneven_trials)
    passed = (
        fronts["ray_same_front"]
        and fronts["node_killed_same_front"]
        and fronts["jobs_lost_and_done_again"] > 0
        and busy["idle_share"] <= MOST_IDLE
    )
    print(json.dumps({**fronts, **busy, "passed": passed}))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
