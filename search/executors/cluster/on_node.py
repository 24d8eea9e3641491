"""What a driver asks of a node itself: these functions run there, as small tasks of Ray's.

A process of its own answers, so that a node's GPUs are seen although Ray hides them from whoever asked for none.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

from nas_search.child_process import ONE_THREAD, load_function
from nas_search.errors import InputError, RunError
from nas_search.profiler.device import Device, resolve_device
from nas_search.search.executors.cluster.workplace import host_id
from nas_search.search.train_device import free_bytes

_PROCESS_SECONDS = 100
_HIDES_GPUS = "CUDA_VISIBLE_DEVICES"


class NodeFacts(NamedTuple):
    """The host that a node is on, and the device of the name that was asked for, or why there is none."""

    host: str
    device: Device | None
    reason: str


def node_facts(name: str) -> NodeFacts:
    """Look for the device called ``name``."""
    answer = _in_process("device_answer", {"name": name})
    if "error" in answer:
        return NodeFacts(host_id(), None, answer["error"])
    device = Device.model_validate(answer["device"]).model_copy(update={"place": answer["place"]})
    return NodeFacts(host_id(), device, "")


def node_free_bytes(device: str) -> int:
    """Memory that trainings on ``device``, cpu or cuda, may use. Raises RunError."""
    return int(_asked("free_bytes_answer", {"device": device})["bytes"])


def node_kernel_notes(request: Mapping[str, Any]) -> list[str]:
    """As :func:`~nas_search.search.executors.site.kernel_notes`, with the operators in notation. Raises RunError."""
    return list(_asked("kernel_answer", request)["notes"])


def device_answer(name: str) -> dict[str, Any]:
    """In the process: the device."""
    device = resolve_device(name)
    return {"device": device.model_dump(mode="json"), "place": device.place}


def free_bytes_answer(device: str) -> dict[str, Any]:
    """In the process: the free memory."""
    return {"bytes": free_bytes(device)}


def kernel_answer(operators: str, kind: str, dtype: str, strict: bool) -> dict[str, Any]:
    """In the process: the notes."""
    from nas_search.search.executors.site import kernel_notes
    from nas_search.space.notation import parse_operators

    return {"notes": kernel_notes(parse_operators(operators), kind, dtype, strict=strict)}


def _asked(function: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    answer = _in_process(function, arguments)
    if "error" in answer:
        raise RunError(answer["error"])
    return answer


def _in_process(function: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Call one of the functions above in a process of its own; ``error`` is the reason if there is no answer."""
    visible = {key: value for key, value in os.environ.items() if key != _HIDES_GPUS}
    environment = {**visible, **ONE_THREAD, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-P", "-m", __name__, function, json.dumps(arguments)]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, timeout=_PROCESS_SECONDS, check=True)
        answer = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return {"error": f"cannot be asked ({type(error).__name__})"}
    return dict(answer)


def main(function: str, arguments: str) -> None:
    """Print the answer as JSON."""
    try:
        answer = load_function(f"{__name__}:{function}")(**json.loads(arguments))
    except (InputError, RunError) as error:
        answer = {"error": str(error)}
    print(json.dumps(answer))


if __name__ == "__main__":
    main(*sys.argv[1:])
