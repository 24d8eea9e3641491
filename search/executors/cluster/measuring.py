"""Which nodes of a cluster jobs that want to be alone run on: those that have the device of the search."""

from __future__ import annotations

from collections.abc import Iterable

from nas_search.errors import InputError, RunError
from nas_search.profiler.device import CPU, Device, resolve_device
from nas_search.search.executors.cluster.connection import ANSWER_SECONDS, Node, RayConnection
from nas_search.search.executors.cluster.needs import MEASURES
from nas_search.search.executors.cluster.on_node import NodeFacts, node_facts
from nas_search.search.executors.cluster.placement import Host


class MeasuringNodes:
    """Asks each node once for each device."""

    def __init__(self, connection: RayConnection) -> None:
        self._connection = connection
        self._facts: dict[tuple[str, str], NodeFacts] = {}
        self._devices: dict[str, Device] = {}

    def device(self, name: str) -> Device:
        """The device called ``name`` that this cluster has. Raises InputError, saying what there is, if it has none.

        Nodes with the resource ``nas_measure`` are asked if there are any, else all; a processor then has to be that
        of the driver's machine. Of several different ones that answer to a name the first counts.
        """
        if name not in self._devices:
            nodes = self._candidates()
            found = [facts.device for facts in self._ask(nodes, name) if facts.device is not None]
            wanted = [device for device in found if name != CPU or self._told(nodes) or device.id == _own_id()]
            if not wanted:
                raise InputError(self._none(name, nodes, found))
            self._devices[name] = wanted[0]
        return self._devices[name]

    def nodes(self, name: str) -> dict[Host, Node]:
        """The nodes that have the device called ``name``, one for each host. Raises RunError if there is none left."""
        nodes = self._candidates()
        facts = self._ask(nodes, name)
        try:
            wanted = self.device(name)
        except InputError as error:
            raise RunError(str(error)) from None
        found = {
            fact.host: node
            for node, fact in zip(nodes, facts, strict=True)
            if fact.device is not None and fact.device.id == wanted.id
        }
        if not found:
            raise RunError(f"device '{name}': no node of the Ray cluster has {wanted.description} any more")
        return found

    def _candidates(self) -> list[Node]:
        nodes = self._connection.nodes()
        return [node for node in nodes if node.measures] or nodes

    def _told(self, nodes: Iterable[Node]) -> bool:
        return any(node.measures for node in nodes)

    def _ask(self, nodes: Iterable[Node], name: str) -> list[NodeFacts]:
        nodes = list(nodes)
        calls = {
            node.id: self._connection.call_on(node, node_facts, name)
            for node in nodes
            if (node.id, name) not in self._facts
        }
        for node_id, call in calls.items():
            try:
                self._facts[node_id, name] = self._connection.ray.get(call, timeout=ANSWER_SECONDS)
            except self._connection.ray.exceptions.RayError as error:
                self._facts[node_id, name] = NodeFacts(node_id, None, f"cannot be asked ({type(error).__name__})")
        return [self._facts[node.id, name] for node in nodes]

    def _none(self, name: str, nodes: list[Node], found: list[Device]) -> str:
        if found:
            there = "; ".join(sorted({device.description for device in found}))
            return (
                f"device '{name}': no node of the Ray cluster has this machine's, {resolve_device(CPU).description}; "
                f"there are {there}; start the node to measure on with --resources '{{\"{MEASURES}\": 1}}'"
            )
        reasons = sorted({self._facts[node.id, name].reason for node in nodes})
        return f"device '{name}': no node of the Ray cluster has it ({'; '.join(reasons)[:300]})"


def _own_id() -> str:
    return resolve_device(CPU).id
