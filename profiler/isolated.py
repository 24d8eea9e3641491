"""Measuring in a process of its own: what is out of memory, or breaks the device, takes nothing else with it."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict
from subprocess import Popen
from tempfile import TemporaryFile
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from nas_search.child_process import ask, how_it_ended, load_function, start_child, stop_child
from nas_search.errors import RunError
from nas_search.profiler.device import Device
from nas_search.profiler.measure import Rounds, measure
from nas_search.profiler.measurement import Failure, Outcome
from nas_search.profiler.measuring_process import ERROR_KINDS, NOBODY, read_turn, write_turn
from nas_search.profiler.statistics import ClockName
from nas_search.profiler.timing import Progress, StopRule
from nas_search.profiler.turns import At
from nas_search.profiler.workload import Workload
from nas_search.space.architecture import Architecture

JsonObject = dict[str, Any]
IsolatedFunction = Callable[[JsonObject, At, Progress], JsonObject]
"""Takes JSON, says ``at`` which of its networks it is, and how far it is; returns JSON."""
Runner = Callable[[str, JsonObject, Progress | None], JsonObject]
"""Calls the function at ``module:name`` with its arguments."""

MODULE = "nas_search.profiler.measuring_process"
MEASURE = "nas_search.profiler.isolated:measure_request"
OUTCOMES = TypeAdapter(list[Outcome])


class MeasuringProcessError(RunError):
    """The process that measured has ended, or its device is broken.

    ``reason`` is the cause alone, ``index`` that of the network whose turn it was; None if there was none yet.
    """

    def __init__(self, reason: str, index: int | None) -> None:
        super().__init__(f"the process that measures failed: {reason}")
        self.reason, self.index = reason, index


def run_here(function: str, arguments: JsonObject, progress: Progress | None = None) -> JsonObject:
    """What the function at ``module:name`` returns, called in this process."""
    found: IsolatedFunction = load_function(function)
    return found(arguments, lambda index: None, progress or (lambda done, total: None))


def run_isolated(function: str, arguments: JsonObject, progress: Progress | None = None) -> JsonObject:
    """What the function at ``module:name`` returns, called in a new process on one thread.

    Raises InputError and RunError as it does, and MeasuringProcessError if it raises anything else or the process
    ends. Its warnings are given here again.
    """
    with TemporaryFile() as turn:
        write_turn(turn.fileno(), NOBODY)
        process = start_child(MODULE, str(turn.fileno()), files=[turn.fileno()])
        try:
            ask(process, {"function": function, "arguments": arguments})
            reply = _reply(process, progress)
            index = read_turn(turn.fileno())
            if reply is None:
                raise MeasuringProcessError(how_it_ended(process), index)
        finally:
            stop_child(process)
    if "result" in reply:
        result: JsonObject = reply["result"]
        return result
    raise _error(reply, index)


def with_survivors(
    count: int, ask: Callable[[Sequence[int]], JsonObject]
) -> tuple[JsonObject, Sequence[int], dict[int, str]]:
    """What a process answers for those of ``count`` networks that it survives, their indices, why others have failed.

    ``ask`` runs a process for some indices. If it dies, it is run again without the network whose turn it was, at last
    for none. Raises MeasuringProcessError if it was the turn of none.
    """
    deaths: dict[int, str] = {}
    while True:
        left = [index for index in range(count) if index not in deaths]
        try:
            return ask(left), left, deaths
        except MeasuringProcessError as death:
            if death.index is None:
                raise
            deaths[left[death.index]] = death.reason


def measure_isolated(
    architectures: Sequence[Architecture],
    workload: Workload,
    *,
    device: Device,
    seed: int,
    clock: ClockName | None = None,
    stop: StopRule | None = None,
    progress: Progress | None = None,
    rounds: Rounds = lambda index, figures: None,
) -> list[Outcome]:
    """As :func:`nas_search.profiler.measure.measure`, in a process of its own.

    If the process ends, or its device breaks, then the network whose turn it was has failed, and the others are
    measured again without it. Raises MeasuringProcessError if it fails before the first of them.
    """

    def ask(left: Sequence[int]) -> JsonObject:
        request = {
            "architectures": [architectures[index].model_dump(mode="json") for index in left],
            "workload": str(workload),
            "device": {**device.model_dump(mode="json"), "place": device.place},
            "seed": seed,
            "clock": clock,
            "stop": None if stop is None else asdict(stop),
        }
        return run_isolated(MEASURE, request, progress)

    result, left, deaths = with_survivors(len(architectures), ask)
    outcomes: dict[int, Outcome] = {index: Failure(reason=reason) for index, reason in deaths.items()}
    outcomes |= zip(left, OUTCOMES.validate_python(result["outcomes"]), strict=True)
    for place, figures in result["rounds"]:
        rounds(left[place], np.array(figures))
    return [outcomes[index] for index in range(len(architectures))]


def measure_request(arguments: JsonObject, at: At, progress: Progress) -> JsonObject:
    """What :func:`measure_isolated` asks of its process."""
    stop, rounds = arguments["stop"], []
    outcomes = measure(
        [Architecture.model_validate(fields) for fields in arguments["architectures"]],
        Workload.parse(arguments["workload"]),
        device=Device.model_validate(arguments["device"]),
        seed=arguments["seed"],
        clock=arguments["clock"],
        stop=None if stop is None else StopRule(**stop),
        progress=progress,
        at=at,
        rounds=lambda index, figures: rounds.append((index, figures.tolist())),
    )
    return {"outcomes": [outcome.model_dump(mode="json") for outcome in outcomes], "rounds": rounds}


def _reply(process: Popen[bytes], progress: Progress | None) -> JsonObject | None:
    """The last message, or None if the process ended without one; progress and warnings come before it."""
    assert process.stdout is not None
    whole_lines = (line for line in process.stdout if line.endswith(b"\n"))
    for line in whole_lines:
        message: JsonObject = json.loads(line)
        if "warning" in message:
            warnings.warn(message["warning"], stacklevel=3)
        elif "done" not in message:
            return message
        elif progress is not None:
            progress(message["done"], message["total"])
    return None


def _error(reply: JsonObject, index: int | None) -> Exception:
    """The error that a reply tells of; what happened in the other process is in its notes."""
    raised = ERROR_KINDS.get(reply["error"])
    error = raised(reply["reason"]) if raised else MeasuringProcessError(reply["reason"], index)
    error.add_note(reply["traceback"])
    return error
