"""A Ray cluster as the site of a search."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nas_search.errors import InputError
from nas_search.profiler.device import CPU, CUDA, Device
from nas_search.search.config import SearchConfig, available_cores
from nas_search.search.executors.base import Executor
from nas_search.search.executors.cluster.connection import Node, RayConnection, connect
from nas_search.search.executors.cluster.executor import RayExecutor
from nas_search.search.executors.cluster.measuring import MeasuringNodes
from nas_search.search.executors.cluster.needs import training_needs
from nas_search.search.executors.cluster.on_node import node_free_bytes, node_kernel_notes
from nas_search.search.executors.site import Operators
from nas_search.search.train_device import TrainChoice, TrainDevice
from nas_search.space.notation import format_operators


class RaySite:
    """Trains on all nodes that have the device, with ``per_gpu`` workers on each GPU, and measures where it can."""

    def __init__(self, connection: RayConnection, per_gpu: int, stall_seconds: float) -> None:
        self._connection, self._per_gpu, self._stall_seconds = connection, per_gpu, stall_seconds
        self._measuring = MeasuringNodes(connection)
        self._train_device: TrainDevice = "cpu"

    def device(self, name: str) -> Device:
        """A device of one of the nodes."""
        return self._measuring.device(name)

    def train_device(self, name: TrainChoice) -> TrainDevice:
        """``auto`` is CUDA if any node has a GPU."""
        gpus = sum(node.gpus for node in self._connection.nodes())
        if name == CUDA and not gpus:
            raise InputError("train_device 'cuda': no node of the Ray cluster has a GPU; give cpu or auto")
        self._train_device = "cpu" if name == CPU or not gpus else "cuda"
        return self._train_device

    def room(self, train_device: TrainDevice) -> int:
        """One for each core of the cluster, or as many as were asked for on each of its GPUs."""
        room = sum(self._room_on(node, train_device) for node in self._connection.nodes())
        if not room:
            raise InputError(f"executor ray: no node of the cluster has room to train on {train_device}")
        return room

    def bytes_per_worker(self, train_device: TrainDevice, workers: int) -> int:
        """What is free on the node that has least for each, however few workers there are now: they may move there."""
        nodes = [node for node in self._connection.nodes() if self._room_on(node, train_device)]
        free = self._connection.answers(nodes, node_free_bytes, train_device)
        return min(
            node_free // (self._per_gpu if train_device == CUDA else self._room_on(node, train_device))
            for node, node_free in zip(nodes, free, strict=True)
        )

    def kernel_notes(self, operators: Operators, device: Device, dtype: str, *, strict: bool) -> list[str]:
        """Of the packages on a node that measures; nothing is asked about a processor."""
        if device.kind == CPU:
            return []
        asked = format_operators(operators)
        request = {"operators": asked, "kind": device.kind, "dtype": dtype, "strict": strict}
        nodes = list(self._measuring.nodes(device.name).values())[:1]
        return self._connection.answers(nodes, node_kernel_notes, request)[0]

    def executor(self, run_dir: Path, workers: int) -> Executor:
        """Actors."""
        return RayExecutor(
            self._connection,
            run_dir,
            workers,
            needs=training_needs(self._train_device, self._per_gpu),
            measuring=self._measuring,
            stall_seconds=self._stall_seconds,
        )

    def close(self) -> None:
        """End the connection, and the Ray of this machine's own if there is one."""
        self._connection.close()

    def _room_on(self, node: Node, train_device: TrainDevice) -> int:
        return int(node.cpus) if train_device == CPU else int(node.gpus * self._per_gpu)


def open_ray_site(config: SearchConfig, stall_seconds: float, code: Sequence[Path] = ()) -> RaySite:
    """Connect to the cluster that ``config`` names; ``code`` are modules of others that jobs need.

    Raises InputError if there is none.
    """
    connection = connect(config.ray_address, config.workers or available_cores(), code)
    return RaySite(connection, config.workers_per_gpu, stall_seconds)
