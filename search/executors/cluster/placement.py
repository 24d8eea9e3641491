"""Who works where: the rules of a single machine, for several of them.

Jobs start in the order of submission. One that wants to be alone takes a host to itself: it waits for what runs there,
and nothing else starts there until it has ended, while the other hosts work on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence, Set
from typing import NamedTuple

from nas_search.search.jobs import Job

Host = str
MayMeasure = Callable[[Job], Set[Host]]
"""The hosts on which a job that wants to be alone may run."""


class Seat(NamedTuple):
    """A worker as far as these rules care: ``job`` is what it is at."""

    key: int
    host: Host
    job: Job | None


class Plan(NamedTuple):
    """What is to happen: jobs to start, by their place in the queue, at which seat, and hosts taken by jobs that want
    to be alone.

    A host that is taken is ``free`` as soon as nothing runs there.
    """

    starts: list[tuple[int, int]]
    taken: dict[Host, int]
    free: set[Host]


def plan(jobs: Sequence[Job], seats: Iterable[Seat], may_measure: MayMeasure, taken_before: Set[Host]) -> Plan:
    """Which of the queued ``jobs`` start now, and which hosts are taken; those of ``taken_before`` by preference."""
    seats = list(seats)
    working = Counter(seat.host for seat in seats if seat.job is not None)
    closed = {seat.host for seat in seats if seat.job is not None and seat.job.alone}
    idle = [seat for seat in seats if seat.job is None]
    starts: list[tuple[int, int]] = []
    taken: dict[Host, int] = {}
    for index, job in enumerate(jobs):
        if job.alone:
            hosts = may_measure(job) - closed
            if not hosts:
                break
            host = min(hosts, key=lambda host: (host not in taken_before, working[host], host))
            closed.add(host)
            taken[host] = index
        else:
            seat = next((seat for seat in idle if seat.host not in closed), None)
            if seat is None:
                break
            idle.remove(seat)
            working[seat.host] += 1
            starts.append((index, seat.key))
    return Plan(starts, taken, {host for host in taken if not working[host]})
