"""A job function for real worker processes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def quick_table(arguments: Mapping[str, Any], run_dir: Path, progress: Any) -> dict[str, Any]:
    """A real table of few samples: rough, but a table."""
    from nas_search.profiler.device import resolve_device
    from nas_search.profiler.plan import TablePlan
    from nas_search.profiler.record import record_table
    from nas_search.profiler.timing import StopRule
    from nas_search.profiler.workload import Workload
    from nas_search.space.search_space import SearchSpace

    plan = TablePlan.of_space(
        SearchSpace.model_validate(arguments["space"]),
        [Workload.parse(workload) for workload in arguments["workloads"]],
        seed=0,
        held_out=0,
        calibration=6,
        stop=StopRule(min_rounds=1, max_rounds=2),
    )
    record_table(plan, resolve_device("cpu"), out=run_dir / arguments["output"], progress=progress)
    return {}
