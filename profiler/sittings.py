"""How the work for a table is cut into sittings.

What is compared must be measured in turns on a processor, whose speed drifts: all widths together, if they fit into
memory. A GPU holds its clocks, so there one width after the other is measured, and no more at once than fits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from nas_search.errors import InputError
from nas_search.profiler.calibrate import MIN_NETWORKS
from nas_search.profiler.device import Device
from nas_search.profiler.plan import Group, Network, TablePlan
from nas_search.profiler.roofline import memory_bytes
from nas_search.profiler.sitting import SittingRequest, SittingTask

# What is left is for activations, and for what others take meanwhile.
MEMORY_SHARE = 0.9
GIB = 2**30


class PlannedSitting(NamedTuple):
    """What to ask for, and the memory that it needs."""

    request: SittingRequest
    needed_bytes: int


class Sittings(NamedTuple):
    """The sittings of a table, and the networks, by notation, that do not fit into memory at all."""

    planned: list[PlannedSitting]
    failures: dict[str, str]


class _Sized(NamedTuple):
    """A task with the memory that it needs: the network's weights, which its phases share, and the rest."""

    task: SittingTask
    network: Network
    weight_bytes: int
    other_bytes: int

    @property
    def alone_bytes(self) -> int:
        """What it needs by itself."""
        return self.weight_bytes + self.other_bytes


def plan_sittings(plan: TablePlan, device: Device, available_bytes: int) -> Sittings:
    """All sittings on a device with so much free memory.

    Raises InputError if too few networks to calibrate on are given, or fit.
    """
    groups = plan.groups(device)
    if groups and len(plan.calibration) < MIN_NETWORKS:
        raise InputError(
            f"latency table: {len(plan.calibration)} networks to calibrate on; at least {MIN_NETWORKS} are needed"
        )
    limit = int(MEMORY_SHARE * available_bytes)
    planned: list[PlannedSitting] = []
    failures: dict[str, str] = {}
    for group in groups:
        tasks = list(_tasks(plan, group, device))
        fitting = [task for task in tasks if task.alone_bytes <= limit]
        if len({task.network for task in fitting} & set(plan.calibrating)) < MIN_NETWORKS:
            if group.optional and group.batch > 1:
                continue
            raise InputError(_too_large(group, tasks, limit))
        if not group.optional:
            too_large = (task for task in tasks if task.alone_bytes > limit)
            failures |= {task.task.network: _lack(task.alone_bytes, limit) for task in too_large}
        for cut in _cut(fitting, limit, by_width=device.captures_steps):
            planned.append(PlannedSitting(_request(plan, group, device, [task.task for task in cut]), _needed(cut)))
    return Sittings(planned, failures)


def _tasks(plan: TablePlan, group: Group, device: Device) -> Iterator[_Sized]:
    """Every network at every context at which it costs something else."""
    for network in plan.networks(group.precision, device):
        architecture = network.architecture
        weight_bytes = architecture.weight_bytes(group.precision.parameters)
        for contexts in _equal_contexts(network, group):
            slots = contexts[0] + (group.kind != "prefill")
            tokens = slots - architecture.meta_tokens
            needed = memory_bytes(architecture, tokens, group.batch, group.precision)
            task = SittingTask(architecture.notation, network.copy, contexts)
            yield _Sized(task, network, weight_bytes, needed - weight_bytes)


def _equal_contexts(network: Network, group: Group) -> Iterable[tuple[int, ...]]:
    """The contexts of a group, those together at which a step reads the same: a state that does not grow any more."""
    if group.kind == "prefill":
        return [(context,) for context in group.contexts]
    architecture, equal = network.architecture, dict[int, tuple[int, ...]]()
    for context in group.contexts:
        kept = sum(operator.state_elements(architecture.width, context + 1) for operator in architecture.operators)
        equal[kept] = (*equal.get(kept, ()), context)
    return equal.values()


def _cut(tasks: Sequence[_Sized], limit: int, *, by_width: bool) -> Iterator[Sequence[_Sized]]:
    """As few pieces as fit: everything, or a width, or some networks of a width."""
    if not by_width and len(pieces := list(_filled(tasks, limit))) == 1:
        yield from pieces
        return
    for _, of_width in groupby(tasks, key=lambda task: task.network.architecture.width):
        yield from _filled(of_width, limit)


def _filled(tasks: Iterable[_Sized], limit: int) -> Iterator[list[_Sized]]:
    """Neighbours together as long as they fit; the tasks of a network are neighbours."""
    piece: list[_Sized] = []
    needed = 0
    for task in tasks:
        more = _more(piece, task)
        if piece and needed + more > limit:
            yield piece
            piece, needed, more = [], 0, task.alone_bytes
        piece.append(task)
        needed += more
    yield piece


def _more(piece: Sequence[_Sized], task: _Sized) -> int:
    """What ``task`` needs beside a piece that ends with its neighbour."""
    return task.other_bytes if piece and piece[-1].network == task.network else task.alone_bytes


def _needed(piece: Sequence[_Sized]) -> int:
    return sum(_more(piece[:index], task) for index, task in enumerate(piece))


def _request(plan: TablePlan, group: Group, device: Device, tasks: Sequence[SittingTask]) -> SittingRequest:
    return SittingRequest(
        place=device.place or device.name,
        device_id=device.id,
        kind=group.kind,
        batch=group.batch,
        precision=group.precision,
        tasks=tuple(tasks),
        seed=plan.seed,
        stop=plan.energy_stop if group.kind == "energy" else plan.stop,
    )


def _too_large(group: Group, tasks: Sequence[_Sized], limit: int) -> str:
    least = min(tasks, key=lambda task: task.alone_bytes)
    return (
        f"latency table: too few networks fit for {group.settings[-1]}, the smallest: "
        f"{_lack(least.alone_bytes, limit)}; take smaller widths, a smaller batch or a shorter context"
    )


def _lack(needed: int, there: int) -> str:
    return f"{needed / GIB:.2g} GiB needed, {there / GIB:.2g} GiB free"
