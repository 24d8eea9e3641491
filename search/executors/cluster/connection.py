"""A Ray that this process is connected to: its nodes, what they have, and our code on them."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, TypeVar

from nas_search.child_process import SECRETS
from nas_search.errors import InputError, RunError
from nas_search.search.executors.cluster.losses import why_lost
from nas_search.search.executors.cluster.needs import MEASURES, Needs
from nas_search.search.executors.cluster.package import copy_package

Answer = TypeVar("Answer")
_LOOK_AGAIN_SECONDS = 1.0
ANSWER_SECONDS = 120.0
_CONNECT_SECONDS = 5.0


class Node(NamedTuple):
    """A node of a cluster that is alive, and what it said that it has."""

    id: str
    name: str
    cpus: float
    gpus: float
    measures: bool


class RayConnection:
    """Nodes of a Ray. ``ray`` is the module, which is only imported by whoever connects."""

    def __init__(self, ray: ModuleType, ends: ExitStack) -> None:
        """``ends`` is what ends with this connection."""
        self.ray, self._ends = ray, ends
        self._nodes: list[Node] = []
        self._looked = float("-inf")

    def nodes(self) -> list[Node]:
        """The nodes that are alive, as of a moment ago."""
        now = time.monotonic()
        if now - self._looked > _LOOK_AGAIN_SECONDS:
            self._nodes = [_node(fields) for fields in self.ray.nodes() if fields["Alive"]]
            self._looked = now
        return self._nodes

    def is_alive(self, node_id: str) -> bool:
        """Whether a node is there now."""
        self._looked = float("-inf")
        return any(node.id == node_id for node in self.nodes())

    def call_on(self, node: Node, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call ``function`` on a node, whatever else runs there; returns Ray's reference to the answer."""
        where = {"num_cpus": 0, "max_retries": 0, "scheduling_strategy": self._exactly(node)}
        return self.ray.remote(**where)(function).remote(*arguments)

    def answers(self, nodes: Iterable[Node], function: Callable[..., Answer], *arguments: Any) -> list[Answer]:
        """What ``function`` says on each node. Raises RunError if one cannot be asked."""
        calls = [self.call_on(node, function, *arguments) for node in nodes]
        try:
            answers: list[Answer] = self.ray.get(calls, timeout=ANSWER_SECONDS)
        except self.ray.exceptions.RayError as error:
            raise RunError(f"executor ray: a node cannot be asked: {why_lost(error)}") from None
        return answers

    def actor(self, cls: type, needs: Needs, *arguments: Any, node: Node | None = None) -> Any:
        """Start an actor that holds what it ``needs``: on ``node``, or where there is room, evenly over the nodes."""
        strategy = "SPREAD" if node is None else self._exactly(node)
        options = {**needs, "max_restarts": 0, "max_task_retries": 0, "scheduling_strategy": strategy}
        return self.ray.remote(**options)(cls).remote(*arguments)

    def ready(self, calls: Sequence[Any], timeout_seconds: float) -> set[Any]:
        """Those of ``calls`` that have been answered, waiting for the first at most so long."""
        if not calls:
            time.sleep(timeout_seconds)
            return set()
        self.ray.wait(calls, num_returns=1, timeout=timeout_seconds)
        answered, _ = self.ray.wait(calls, num_returns=len(calls), timeout=0)
        return set(answered)

    def _exactly(self, node: Node) -> Any:
        return self.ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node.id, soft=False)

    def close(self) -> None:
        """End the connection, and a Ray that was started with it."""
        self._ends.close()


def connect(address: str | None, workers: int, code: Sequence[Path] = ()) -> RayConnection:
    """Connect to the Ray at ``address``, or start one on this machine with room for ``workers``.

    The package and the modules in ``code`` travel to the nodes, once for each version of them. A process that is
    connected already stays so, and its Ray is used. Raises InputError if Ray is not installed or there is none at the
    address.
    """
    ray = _import_ray()
    if ray.is_initialized():
        return RayConnection(ray, ExitStack())
    with ExitStack() as ends, _signals_as_they_are():
        # Ray tells of lost nodes on standard output, where figures belong; our own log has what was lost with them.
        ends.enter_context(_replaced(ray._private.worker, "print_to_stdstream", lambda data, ignore_prefix: None))
        if address is None:
            # It would listen everywhere, without asking who is there: Ray takes 127.0.0.1 for a name of the address
            # under which others reach this machine, unless it is to have no clusters.
            ends.enter_context(_replaced(ray._private.ray_constants, "ENABLE_RAY_CLUSTER", False))
            _start(ray, workers)
        else:
            _join(ray, address, code)
        ends.callback(ray.shutdown)
        return RayConnection(ray, ends.pop_all())


@contextmanager
def _signals_as_they_are() -> Iterator[None]:
    """Ray takes SIGTERM for itself; how a search ends by one is not its business."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if before is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


@contextmanager
def _replaced(module: ModuleType, name: str, value: object) -> Iterator[None]:
    """What Ray has no option for."""
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)


def _import_ray() -> ModuleType:
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError:
        raise InputError("executor ray: Ray is not installed here; pip install 'nas-search[ray]'") from None
    module: ModuleType = ray
    return module


def _start(ray: ModuleType, workers: int) -> None:
    cores = max(workers, os.cpu_count() or 1)
    path = os.pathsep.join(path for path in sys.path if path)
    same_imports = {"env_vars": {"PYTHONPATH": path, **dict.fromkeys(SECRETS, "")}}
    try:
        ray.init(address="local", num_cpus=cores, include_dashboard=False, runtime_env=same_imports, **_QUIET)
    except Exception as error:
        raise RunError(f"executor ray: no Ray could be started on this machine: {_line(error)}") from None


def _join(ray: ModuleType, address: str, code: Sequence[Path]) -> None:
    if address != "auto":
        _check_answers(address, ray.util.get_node_ip_address)
    with tempfile.TemporaryDirectory() as folder:
        modules = [str(copy_package(Path(folder))), *map(str, code)]
        try:
            ray.init(address=address, runtime_env={"py_modules": modules}, **_QUIET)
        except (Exception, SystemExit) as error:
            hint = "start one with 'ray start --head'" if address == "auto" else "is it up, with the same versions?"
            raise InputError(f"ray_address {address!r}: no Ray to connect to ({_line(error)}); {hint}") from None


_SETTINGS = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
"""Of Ray: no message to its makers, and workers of a Ray that is started here are as nice as we are, not nicer."""
_QUIET: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}


def _check_answers(address: str, own_address: Callable[[], str]) -> None:
    """Ray itself waits for minutes where nobody answers. What it takes for its ``own_address`` is that."""
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdecimal():
        raise InputError(f"ray_address {address!r}: give auto or HOST:PORT; a driver runs on a node of its cluster")
    host = own_address() if host in {"localhost", "127.0.0.1", "[::1]"} else host.strip("[]")
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise InputError(f"ray_address {address!r}: nobody answers there ({_line(error)})") from None


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]


def _node(fields: dict[str, Any]) -> Node:
    resources = fields["Resources"]
    return Node(
        id=fields["NodeID"],
        name=fields["NodeManagerHostname"],
        cpus=resources.get("CPU", 0.0),
        gpus=resources.get("GPU", 0.0),
        measures=resources.get(MEASURES, 0.0) > 0,
    )
