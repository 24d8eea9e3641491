import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from stage import FAKES, FUNCTIONS, Stage

from nas_search.search.executors.base import Executor
from nas_search.search.executors.local import LocalExecutor
from nas_search.search.jobs import Job, write_result
from nas_search.search.simulation.virtual_executor import VirtualClock, VirtualExecutor

if TYPE_CHECKING:
    from nas_search.search.executors.cluster.connection import RayConnection
    from nas_search.search.executors.cluster.executor import RayExecutor

MakeStage = Callable[..., Stage]


@pytest.fixture(scope="session")
def ray_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Two Ray nodes on this machine, one for all tests."""
    pytest.importorskip("ray", reason="Ray is not installed (extra ray)")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("nodes")))
        # Without this Ray would take 127.0.0.1 for this machine's address, and answer everybody.
        patch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        patch.setattr("ray._private.ray_constants.ENABLE_RAY_CLUSTER", False)
        from ray.cluster_utils import Cluster

        here = {"num_cpus": 2, "node_ip_address": "127.0.0.1"}
        cluster = Cluster(initialize_head=True, head_node_args={**here, "include_dashboard": False})
        try:
            cluster.add_node(**here, num_gpus=1)
            yield cluster
        finally:
            cluster.shutdown()


@pytest.fixture(scope="session")
def connection(ray_cluster: Any) -> "Iterator[RayConnection]":
    """Connected to it, with the job functions of these tests."""
    from nas_search.search.executors.cluster.connection import connect

    with closing(connect(ray_cluster.address, 2, [FAKES])) as connection:
        yield connection


def ray_executor(connection: "RayConnection", run_dir: Path, workers: int, **options: Any) -> "RayExecutor":
    from nas_search.search.executors.cluster.executor import RayExecutor
    from nas_search.search.executors.cluster.measuring import MeasuringNodes

    given = {"needs": {"num_cpus": 1}, "measuring": MeasuringNodes(connection), "functions": FUNCTIONS}
    return RayExecutor(connection, run_dir, workers, **{**given, **options})


def virtual_executor(run_dir: Path, workers: int, marks: Path) -> VirtualExecutor:
    def mark(text: str) -> None:
        with (marks / "marks").open("a") as file:
            file.write(text + "\n")

    def seconds(job: Job) -> float:
        mark(f"begin {job.name}")
        return 0.1

    def finish(job: Job) -> None:
        mark(f"end {job.name}")
        write_result(run_dir, job, {})

    return VirtualExecutor(workers, VirtualClock(), seconds=seconds, finish=finish)


@pytest.fixture
def stage_on(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MakeStage]:
    """Makes a stage on a kind of executor, which is closed in the end."""
    run_dir, marks = tmp_path / "run", tmp_path / "marks"
    (run_dir / "jobs").mkdir(parents=True)
    marks.mkdir()
    made: list[Executor] = []

    def make(kind: str, workers: int = 2, **options: Any) -> Stage:
        if kind == "virtual":
            executor: Executor = virtual_executor(run_dir, workers, marks)
        elif kind == "local":
            executor = LocalExecutor(run_dir, workers, FUNCTIONS, **options)
        else:
            executor = ray_executor(request.getfixturevalue("connection"), run_dir, workers, **options)
        made.append(executor)
        return Stage(executor, run_dir, marks)

    yield make
    for executor in made:
        executor.close()
