"""How many workers a Ray driver can listen to: answers of actors for each second of its CPU time.

    python experiments/scale/ray_calls.py [--seconds 10] [--out experiments/scale/recorded/ray_calls.json]

Starts a Ray of its own on this machine. Actors that answer at once are asked again and again, as workers of a search
are, a number of them at a time; counted is the CPU time of this process, so the figures hold on a busy machine. A
worker of a search answers every 5 s at the least, and every half second while it makes progress. The last line is one
JSON document.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nas_search.profiler.device import resolve_device

QUIET_SECONDS, PROGRESS_SECONDS = 5.0, 0.5
ACTORS = 2


class Answering:
    """Says something that has the size of a report."""

    def listen(self) -> tuple[list[tuple[str, int, int]], None, str, dict[str, bytes], float]:
        """A report of progress."""
        return [("0123456789abcdef-rung2", 123_456, 196_608)], None, "", {}, 12.5


def main(arguments: Sequence[str]) -> None:
    options = parse(arguments)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    load = os.getloadavg()[0]
    ray.init(address="local", num_cpus=ACTORS, include_dashboard=False, _node_ip_address="127.0.0.1",
             log_to_driver=False, logging_level="ERROR")  # fmt: skip
    try:
        rows = [answered(ray, at_once, options.seconds) for at_once in options.at_once]
    finally:
        ray.shutdown()
    for row in rows:
        row["workers_quiet"] = row["answers_per_cpu_second"] * QUIET_SECONDS
        row["workers_in_progress"] = row["answers_per_cpu_second"] * PROGRESS_SECONDS
        print(f"{row['at_once']} calls at a time: {row['answers_per_cpu_second']:.0f} answers for a second of CPU time")
    document = {"device": resolve_device("cpu").description, "load": load, "ray": ray.__version__, "rows": rows}
    if options.out is not None:
        options.out.write_text(json.dumps(document, indent=1) + "\n")
    print(json.dumps(document))


def answered(ray: Any, at_once: int, seconds: float) -> dict[str, float]:
    """Keep so many calls under way, and take answers as the executor does."""
    actors = [ray.remote(num_cpus=1)(Answering).remote() for _ in range(ACTORS)]
    ray.get([actor.listen.remote() for actor in actors])
    calls = {actors[index % ACTORS].listen.remote(): index for index in range(at_once)}
    count, cpu, wall = 0, time.process_time(), time.perf_counter()
    while time.process_time() - cpu < seconds:
        waiting = list(calls)
        ray.wait(waiting, num_returns=1, timeout=0.5)
        ready, _ = ray.wait(waiting, num_returns=len(waiting), timeout=0)
        for call in ready:
            index = calls.pop(call)
            ray.get(call)
            calls[actors[index % ACTORS].listen.remote()] = index
            count += 1
    spent, passed = time.process_time() - cpu, time.perf_counter() - wall
    for actor in actors:
        ray.kill(actor)
    return {
        "at_once": at_once,
        "answers": count,
        "cpu_seconds": spent,
        "wall_seconds": passed,
        "answers_per_cpu_second": count / spent,
    }


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0, help="CPU seconds for each number (default: 5)")
    parser.add_argument("--at-once", type=int, nargs="+", default=[10, 100, 1_000], help="calls under way")
    parser.add_argument("--out", type=Path, help="write the JSON document here too")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
