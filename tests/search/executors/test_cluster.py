"""What is peculiar to workers on a Ray cluster: other nodes, other files, other devices."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from stage import Stage, ends

from nas_search.errors import InputError, RunError
from nas_search.profiler.device import Device, resolve_device
from nas_search.proxies.data import load_corpus
from nas_search.search.config import SearchConfig
from nas_search.search.executors.cluster import connection as connection_module
from nas_search.search.executors.cluster.connection import Node, connect
from nas_search.search.executors.cluster.losses import why_lost
from nas_search.search.executors.cluster.measuring import MeasuringNodes
from nas_search.search.executors.cluster.needs import measuring_needs, training_needs
from nas_search.search.executors.cluster.on_node import NodeFacts, node_facts
from nas_search.search.executors.cluster.site import RaySite
from nas_search.search.jobs import Job, read_result

MakeStage = Callable[..., Stage]


def test_checkpoints_text_and_code_travel(stage_on: MakeStage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = stage_on("ray", workers=1)
    text = tmp_path / "text.txt"
    text.write_text("one little duck went out one day, over the hills and far away\n" * 400)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    shutil.copytree(load_corpus(str(text)).path, tmp_path / "corpus")
    monkeypatch.chdir(tmp_path)
    corpus = "/proc/self/cwd/corpus"  # there for this process and for no worker
    names = {"checkpoints": "checkpoints/f", "weights": "checkpoints/f.safetensors", "corpus": corpus}
    jobs = [Job(name=f"rung{letter}", kind="replay", arguments={**names, "letter": letter}) for letter in "ab"]
    for job in jobs:
        assert stage.run(job) == {job.name: None}
    first, second = (read_result(stage.run_dir, job) or {} for job in jobs)
    assert (first["state"], second["state"]) == ("a", "ab")
    assert (stage.run_dir / "checkpoints" / "f" / "state").read_text() == "ab"
    assert (stage.run_dir / "checkpoints" / "f.safetensors").stat().st_size == 256_000
    assert first["tokens"] == (tmp_path / "corpus" / "train.npy").stat().st_size
    assert "received" in first["from"] and first["from"] == second["from"]


def test_workers_may_share_a_gpu(stage_on: MakeStage) -> None:
    stage = stage_on("ray", needs=training_needs("cuda", per_gpu=2))
    jobs = [stage.job(name, "meet") for name in ("meet-0", "meet-1")]
    assert stage.run(*jobs) == {"meet-0": None, "meet-1": None}
    results = [read_result(stage.run_dir, job) or {} for job in jobs]
    assert [result["gpus"] for result in results] == ["0", "0"]
    assert results[0]["pid"] != results[1]["pid"]


def test_the_job_of_a_node_that_dies_is_done_by_one_that_joins(stage_on: MakeStage, ray_cluster: Any) -> None:
    spot = {"num_cpus": 1, "resources": {"spot": 1}, "node_ip_address": "127.0.0.1"}
    first = ray_cluster.add_node(**spot)
    stage = stage_on("ray", workers=1, needs={"num_cpus": 1, "resources": {"spot": 1}})
    stage.executor.submit(stage.job("job", "hang once"))
    stage.wait_until((stage.folder / "job.hung").exists)
    second = ray_cluster.add_node(**spot)
    ray_cluster.remove_node(first, allow_graceful=False)
    try:
        assert stage.ends(1) == {"job": None}
    finally:
        ray_cluster.remove_node(second, allow_graceful=False)
    assert stage.marks.count("begin job") == 2


def test_workers_die_with_a_driver_that_is_killed(stage_on: MakeStage, ray_cluster: Any) -> None:
    watching = stage_on("local", workers=1)
    script = Path(__file__).with_name("ray_driver.py")
    driver = subprocess.Popen([sys.executable, script, ray_cluster.address, watching.folder])
    try:
        pid = watching.pid("long")
    finally:
        driver.kill()
        driver.wait()
    assert ends(pid)


def test_a_search_s_site_knows_the_cluster(connection: Any) -> None:
    site = RaySite(connection, per_gpu=3, stall_seconds=60)
    assert site.device("cpu").id == resolve_device("cpu").id
    assert (site.train_device("auto"), site.train_device("cpu")) == ("cuda", "cpu")
    assert (site.room("cpu"), site.room("cuda")) == (4, 3)
    assert 0 < site.bytes_per_worker("cpu", 1) < 2**40
    assert site.kernel_notes([], resolve_device("cpu"), "float32", strict=True) == []


def test_a_node_is_asked_in_a_process_of_its_own() -> None:
    assert node_facts("cpu").device == OWN
    facts = node_facts("abacus")
    assert facts.device is None and "this machine has 'cpu'" in facts.reason


OWN = resolve_device("cpu")
OTHER = OWN.model_copy(update={"fingerprint": {**OWN.fingerprint, "cpu": "Another"}})
H100 = Device(name="h100", fingerprint={"kind": "cuda", "gpu": "NVIDIA H100"}, place="cuda:0")


class FakeRay:
    """A Ray whose nodes say what they are told to say."""

    class exceptions:  # noqa: N801
        """As Ray's."""

        RayError = ConnectionError

    def __init__(self, devices: Mapping[str, Device | None], told: frozenset[str] = frozenset()) -> None:
        self.ray, self.devices, self.told, self.asked = self, dict(devices), told, list[str]()

    def nodes(self) -> list[Node]:
        return [Node(name, name, 2.0, 0.0, name in self.told) for name in self.devices]

    def call_on(self, node: Node, function: Any, name: str) -> Node:
        self.asked.append(node.id)
        return node

    def get(self, node: Node, timeout: float) -> NodeFacts:
        if node.id == "deaf":
            raise ConnectionError
        return NodeFacts(f"host of {node.id}", self.devices[node.id], "this machine has 'cpu'")


def measuring(ray: FakeRay) -> MeasuringNodes:
    return MeasuringNodes(ray)  # type: ignore[arg-type]


def test_measuring_nodes_have_the_driver_s_processor() -> None:
    ray = FakeRay({"a": OTHER, "b": OWN, "deaf": None})
    nodes = measuring(ray)
    assert nodes.device("cpu").id == OWN.id
    assert {host: node.id for host, node in nodes.nodes("cpu").items()} == {"host of b": "b"}
    assert sorted(ray.asked) == ["a", "b", "deaf"]


def test_nodes_that_were_told_to_measure_need_not() -> None:
    nodes = measuring(FakeRay({"a": OTHER, "b": OWN}, told=frozenset({"a"})))
    assert nodes.device("cpu") == OTHER
    assert list(nodes.nodes("cpu")) == ["host of a"]


def test_a_gpu_counts_wherever_it_is() -> None:
    nodes = measuring(FakeRay({"a": None, "b": H100}))
    assert nodes.device("h100") == H100 and list(nodes.nodes("h100")) == ["host of b"]


def test_no_node_with_the_device_is_a_clear_error() -> None:
    with pytest.raises(InputError, match=r"no node of the Ray cluster has this machine's.*Another.*nas_measure"):
        measuring(FakeRay({"a": OTHER})).device("cpu")
    with pytest.raises(
        InputError, match=r"device 'h100': no node of the Ray cluster has it \(this machine has 'cpu'\)"
    ):
        measuring(FakeRay({"a": None})).device("h100")


def test_a_device_whose_last_node_is_gone_ends_the_sitting() -> None:
    ray = FakeRay({"a": H100})
    nodes = measuring(ray)
    assert list(nodes.nodes("h100")) == ["host of a"]
    ray.devices = {"b": None}
    with pytest.raises(RunError, match="any more"):
        nodes.nodes("h100")


def test_what_workers_hold() -> None:
    assert training_needs("cpu") == {"num_cpus": 1}
    assert training_needs("cuda", per_gpu=4) == {"num_cpus": 1, "num_gpus": 0.25}
    assert measuring_needs("h100", told=True) == {"num_cpus": 1, "num_gpus": 1, "resources": {"nas_measure": 1}}


@pytest.mark.parametrize("address", ["ray://host:10001", "host", "host:port", ":1"])
def test_an_address_is_host_and_port(address: str) -> None:
    with pytest.raises(InputError, match="give auto or HOST:PORT"):
        connection_module._check_answers(address, lambda: "127.0.0.1")


def test_an_address_where_nobody_answers_is_said_at_once() -> None:
    with pytest.raises(InputError, match="nobody answers there"):
        connection_module._check_answers("localhost:9", lambda: "127.0.0.1")


def test_ray_that_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"pip install 'nas-search\[ray\]'"):
        connect(None, 1)


def test_options_of_ray_need_ray() -> None:
    for field in ({"ray_address": "auto"}, {"workers_per_gpu": 2}):
        with pytest.raises(InputError, match="give executor ray with it"):
            SearchConfig.checked(field)
    assert SearchConfig.checked({"executor": "ray", "workers_per_gpu": 2}).workers_per_gpu == 2


def test_losses_in_a_few_words() -> None:
    assert why_lost(RuntimeError("The actor is dead because its node has died. Node Id: 12")) == "its node died"
    assert why_lost(RuntimeError("killed due to the node running low on memory")) == "out of memory"
    assert why_lost(RuntimeError("The actor 27 is unavailable: Socket closed")) == "it cannot be reached any more"
    assert len(why_lost(RuntimeError("x" * 500))) == 200
