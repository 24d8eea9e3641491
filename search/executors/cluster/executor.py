"""Runs jobs on a Ray cluster by the rules of a single machine.

Ray places the workers, we place the jobs: only as many are under way as there are workers, in the order of submission.
A worker is an actor that ends with this driver. A job that wants to be alone is done by a worker of its own on a node
that has the device; the other workers of that host end first, so that nothing of ours runs beside it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nas_search.errors import RunError
from nas_search.profiler.device import CPU
from nas_search.proxies.data import Corpus
from nas_search.search.executors.base import STALL_SECONDS, WORKER_LOG, Attempt, JobEvent, JobFinished
from nas_search.search.executors.cluster.actor import RayWorker, Report
from nas_search.search.executors.cluster.connection import RayConnection
from nas_search.search.executors.cluster.losses import why_lost
from nas_search.search.executors.cluster.measuring import MeasuringNodes
from nas_search.search.executors.cluster.needs import Needs, measuring_needs
from nas_search.search.executors.cluster.placement import Host, Seat, plan
from nas_search.search.executors.cluster.shipping import all_files, files_to_send, store
from nas_search.search.executors.cluster.slots import RaySlot
from nas_search.search.jobs import FUNCTIONS, Job, JobKind, failure_of

CORPUS_ARGUMENT = "corpus"
FALSE_STARTS = 10
"""Workers in a row that die before they say where they are, after which it is hopeless."""


class RayExecutor:
    """Runs jobs by ``workers`` actors that hold what training ``needs``; they start when there is work for them."""

    def __init__(
        self,
        connection: RayConnection,
        run_dir: Path,
        workers: int,
        *,
        needs: Needs,
        measuring: MeasuringNodes,
        functions: Mapping[JobKind, str] = FUNCTIONS,
        stall_seconds: float = STALL_SECONDS,
    ) -> None:
        self._ray, self._run_dir, self._workers = connection, run_dir, workers
        self._needs, self._measuring = needs, measuring
        self._functions, self._stall_seconds = functions, stall_seconds
        self._queue: deque[Attempt] = deque()
        self._slots: list[RaySlot] = []
        self._taken: set[Host] = set()
        self._hashes: dict[str, str] = {}
        self._past_seconds = 0.0
        self._false_starts = 0

    def submit(self, job: Job) -> None:
        """Queue a job; jobs start in the order of submission."""
        self._queue.append(Attempt(job))
        self._dispatch()

    def wait(self, timeout_seconds: float) -> list[JobEvent]:
        """What happened since the last call, waiting for something at most so long.

        Raises RunError if no worker can be started, or no node has the device that is to be measured.
        """
        events: list[JobEvent] = []
        answered = self._ray.ready([slot.call for slot in self._slots if slot.call is not None], timeout_seconds)
        for slot in [slot for slot in self._slots if slot.call in answered]:
            events += self._hear(slot)
        self._dispatch()
        return events

    @property
    def busy_seconds(self) -> float:
        """Time that workers spent at jobs so far, all of them together, those that died included."""
        return self._past_seconds + sum(slot.job_seconds for slot in self._slots if slot.attempt is not None)

    def close(self) -> None:
        """Stop every worker at once, whatever it does."""
        self._queue.clear()
        for slot in list(self._slots):
            self._end(slot)

    def _dispatch(self) -> None:
        """Start what can start, and the workers that are missing for it."""
        for slot in self._on_dead_nodes():
            self._end(slot)
        queued = list(self._queue)
        now = plan([attempt.job for attempt in queued], self._seats(), self._may_measure, self._taken)
        started = {index: self._slots[key] for index, key in now.starts}
        for host, index in now.taken.items():
            if host in now.free and (measurer := self._measurer(host, queued[index].job)).idle:
                started[index] = measurer
        self._taken = set(now.taken)
        self._queue = deque(attempt for index, attempt in enumerate(queued) if index not in started)
        for index, slot in started.items():
            self._begin(slot, queued[index])
        self._tidy()

    def _seats(self) -> list[Seat]:
        """The workers that training jobs may be given to, and whoever works."""
        return [
            Seat(index, slot.host, None if slot.attempt is None else slot.attempt.job)
            for index, slot in enumerate(self._slots)
            if slot.here and (slot.measures_on is None or slot.attempt is not None)
        ]

    def _may_measure(self, job: Job) -> set[Host]:
        return set(self._measuring.nodes(_device(job)))

    def _measurer(self, host: Host, job: Job) -> RaySlot:
        """The worker that measures on a host where nothing of ours runs, or is about to."""
        for slot in self._slots:
            if slot.measures_on == host:
                return slot
        training = [slot for slot in self._slots if slot.measures_on is None]
        for slot in [slot for slot in training if slot.attempt is None and slot.host in ("", host)]:
            self._end(slot)
        device = _device(job)
        node = self._measuring.nodes(device)[host]
        needs = measuring_needs(device, told=node.measures)
        return self._open(self._ray.actor(RayWorker, needs, self._stall_seconds, node=node), host)

    def _tidy(self) -> None:
        """Workers that measured make room; then there are as many that train as there is work.

        None of these starts while anything is measured: Ray might place it beside.
        """
        measurers = [slot for slot in self._slots if slot.measures_on is not None]
        if self._taken or any(slot.attempt is not None for slot in measurers):
            return
        for slot in measurers:
            self._end(slot)
        work = len(self._queue) + sum(slot.attempt is not None for slot in self._slots)
        for _ in range(min(self._workers, work) - len(self._slots)):
            self._open(self._ray.actor(RayWorker, self._needs, self._stall_seconds), None)

    def _open(self, actor: Any, measures_on: Host | None) -> RaySlot:
        slot = RaySlot(actor, measures_on)
        slot.ask(slot.actor.introduce.remote(), self._introduced)
        self._slots.append(slot)
        return slot

    def _end(self, slot: RaySlot) -> None:
        self._ray.ray.kill(slot.actor)
        self._past_seconds += slot.job_seconds if slot.attempt is not None else 0.0
        self._slots.remove(slot)

    def _on_dead_nodes(self) -> list[RaySlot]:
        """Workers without a job, whose loss nobody would notice otherwise."""
        alive = {node.id for node in self._ray.nodes()}
        return [slot for slot in self._slots if slot.idle and slot.node_id not in alive]

    def _hear(self, slot: RaySlot) -> list[JobEvent]:
        """Take an answer."""
        call, then, slot.call = slot.call, slot.then, None
        try:
            answer = self._ray.ray.get(call)
        except self._ray.ray.exceptions.RayError as error:
            return self._lost(slot, why_lost(error))
        assert then is not None
        return then(slot, answer)

    def _lost(self, slot: RaySlot, cause: str) -> list[JobEvent]:
        """A worker is gone: its job is tried again, or has failed; it does not count if it never began."""
        attempt, begun, introduced = slot.attempt, slot.begun, slot.here
        self._end(slot)
        if not introduced:
            self._false_starts += 1
            if self._false_starts >= FALSE_STARTS:
                raise RunError(f"executor ray: {FALSE_STARTS} workers in a row could not be started: {cause}")
        if attempt is None:
            return []
        if not begun and not self._ray.is_alive(slot.node_id):
            self._queue.appendleft(attempt)
            return []
        return self._died(attempt, cause)

    def _died(self, attempt: Attempt, cause: str) -> list[JobEvent]:
        self._log(f"a worker died at {attempt.job.name}: {cause}\n")
        return attempt.after_death(cause, self._queue)

    def _introduced(self, slot: RaySlot, answer: tuple[Host, str]) -> list[JobEvent]:
        slot.host, slot.node_id = answer
        self._false_starts = 0
        return []

    def _begin(self, slot: RaySlot, attempt: Attempt) -> None:
        slot.take(attempt)
        corpus = attempt.job.arguments.get(CORPUS_ARGUMENT)
        if corpus is None or corpus in slot.corpora:
            self._send(slot, attempt.job)
        else:
            slot.ask(slot.actor.find_corpus.remote(corpus, self._hash(corpus)), self._corpus_looked_for)

    def _corpus_looked_for(self, slot: RaySlot, found: str | None) -> list[JobEvent]:
        assert slot.attempt is not None
        job = slot.attempt.job
        corpus = job.arguments[CORPUS_ARGUMENT]
        if found is None:
            stored = {name: self._ray.ray.put(content) for name, content in all_files(Path(corpus))}
            slot.ask(slot.actor.receive_corpus.remote(self._hash(corpus), stored), self._corpus_looked_for)
        else:
            slot.corpora[corpus] = found
            self._send(slot, job)
        return []

    def _hash(self, corpus: str) -> str:
        if corpus not in self._hashes:
            self._hashes[corpus] = Corpus.open(Path(corpus)).hash
        return self._hashes[corpus]

    def _send(self, slot: RaySlot, job: Job) -> None:
        there = {**job.arguments}
        if CORPUS_ARGUMENT in there:
            there[CORPUS_ARGUMENT] = slot.corpora[there[CORPUS_ARGUMENT]]
        files = files_to_send(self._run_dir, job)
        sent = job.model_copy(update={"arguments": there})
        slot.ask(slot.actor.begin.remote(sent, self._functions[job.kind], files), self._begun)

    def _begun(self, slot: RaySlot, answer: None) -> list[JobEvent]:
        slot.begun = True
        slot.ask(slot.actor.listen.remote(), self._reported)
        return []

    def _reported(self, slot: RaySlot, report: Report) -> list[JobEvent]:
        self._log(report.log)
        slot.job_seconds = report.busy_seconds
        if report.death is not None:
            return [*report.events, *self._died(self._leave(slot), report.death)]
        if report.events and isinstance(report.events[-1], JobFinished):
            return [*report.events[:-1], self._finished(self._leave(slot).job, report)]
        slot.ask(slot.actor.listen.remote(), self._reported)
        return report.events

    def _leave(self, slot: RaySlot) -> Attempt:
        self._past_seconds += slot.job_seconds
        return slot.leave()

    def _finished(self, job: Job, report: Report) -> JobFinished:
        """What a job left is stored before anybody hears of it."""
        ended = report.events[-1]
        assert isinstance(ended, JobFinished)
        if ended.failure is not None:
            return ended
        try:
            store(self._run_dir, job, report.files)
        except (OSError, RunError) as error:
            return JobFinished(job.name, failure_of(error))
        return ended

    def _log(self, text: str) -> None:
        if text:
            with (self._run_dir / WORKER_LOG).open("a", encoding="utf-8") as log:
                log.write(text)


def _device(job: Job) -> str:
    """The device that a job is about, by name."""
    return str(job.arguments.get("device", CPU))
