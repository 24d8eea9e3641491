"""A sitting in a process of its own: a network that takes its process with it takes no other network along."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nas_search.profiler.backend import Verdict
from nas_search.profiler.isolated import JsonObject, Runner, run_isolated, with_survivors
from nas_search.profiler.sitting import SittingRequest, SittingResult, measure_sitting
from nas_search.profiler.timing import Progress, Samples
from nas_search.profiler.turns import At


def measure_sitting_isolated(
    request: SittingRequest, *, progress: Progress | None = None, run: Runner = run_isolated
) -> SittingResult:
    """As :func:`nas_search.profiler.sitting.measure_sitting`, in a process of its own.

    If the process ends, or its device breaks, then the task whose turn it was has failed, and the others are measured
    again without it. Raises MeasuringProcessError if it fails before the first of them.
    """

    def ask(left: Sequence[int]) -> JsonObject:
        asked = request.model_copy(update={"tasks": tuple(request.tasks[index] for index in left)})
        return run(f"{__name__}:answer", {"request": asked.model_dump(mode="json")}, progress)

    reply, left, deaths = with_survivors(len(request.tasks), ask)
    result = _result(reply)
    failures = {left[index]: reason for index, reason in result.failures.items()}
    return result._replace(ran=tuple(left[index] for index in result.ran), failures=failures | deaths)


def answer(arguments: JsonObject, at: At, progress: Progress) -> JsonObject:
    """What :func:`measure_sitting_isolated` asks of its process."""
    request = SittingRequest.model_validate(arguments["request"])
    samples, ran, failures, verdict, kernels, seconds = measure_sitting(request, at=at, progress=progress)
    return {
        "samples": {name: getattr(samples, name).tolist() for name in ("wall", "device", "order")},
        "ran": ran,
        "failures": list(failures.items()),
        "verdict": verdict,
        "kernels": kernels,
        "seconds": seconds,
    }


def _result(reply: JsonObject) -> SittingResult:
    wall, device, order = (np.array(reply["samples"][name]) for name in ("wall", "device", "order"))
    return SittingResult(
        samples=Samples(wall, device, order),
        ran=tuple(reply["ran"]),
        failures=dict(reply["failures"]),
        verdict=Verdict(*reply["verdict"]),
        kernels=tuple(reply["kernels"]),
        seconds=reply["seconds"],
    )
