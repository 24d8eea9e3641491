"""How a plan is cut."""

from collections import Counter
from dataclasses import replace

import pytest
from recording_fakes import CPU, GIB, GPU, make_plan

from nas_search.errors import InputError
from nas_search.profiler.device import Device
from nas_search.profiler.plan import TablePlan
from nas_search.profiler.roofline import memory_bytes
from nas_search.profiler.sitting import SittingRequest
from nas_search.profiler.sittings import MEMORY_SHARE, plan_sittings
from nas_search.profiler.workload import Workload
from nas_search.space.architecture import Architecture
from nas_search.space.search_space import load_space

MIB = 2**20


def requests(plan: TablePlan, device: Device = CPU, available: int = 64 * GIB) -> list[SittingRequest]:
    return [planned.request for planned in plan_sittings(plan, device, available).planned]


def widths(request: SittingRequest) -> set[int]:
    return {Architecture.parse(task.network).width for task in request.tasks}


def test_a_processor_measures_all_widths_in_turns() -> None:
    (decode,) = requests(make_plan("decode:256"))
    assert (decode.kind, decode.batch, widths(decode)) == ("step", 1, {64, 128})
    copies = Counter(task.copy for task in decode.tasks)
    assert copies[1] == 12
    assert copies[0] >= 12 + 8 + 2 * 9


def test_phases_that_workloads_share_are_measured_once() -> None:
    texts = ("generate:64,prompt=256", "decode:256", "prefill:256", "energy:256")
    assert [(r.kind, r.batch) for r in requests(make_plan(*texts))] == [("prefill", 1), ("step", 1), ("energy", 1)]
    contexts = {context for task in requests(make_plan(*texts))[1].tasks for context in task.contexts}
    assert contexts == {256, 287, 318}


def test_a_gpu_is_measured_width_by_width() -> None:
    cut = requests(make_plan("decode:256", "prefill:256"), GPU)
    assert [(request.kind, widths(request)) for request in cut] == [
        ("step", {64}), ("step", {128}), ("prefill", {64}), ("prefill", {128}),
    ]  # fmt: skip


@pytest.mark.parametrize(("device", "available"), [(CPU, 128 * MIB), (GPU, GIB)])
def test_what_does_not_fit_at_once_is_cut_further(device: Device, available: int) -> None:
    plan = make_plan("generate:900,prompt=3000,batch=16")
    whole = {(r.kind, task) for r in requests(plan, device) for task in r.tasks}
    planned, failures = plan_sittings(plan, device, available)
    assert not failures
    assert {(r.kind, task) for r, _ in planned for task in r.tasks} == whole
    assert len(planned) > 4
    for request, needed in planned:
        assert len(widths(request)) == 1
        assert needed == needed_bytes(request)
        assert needed <= MEMORY_SHARE * available


def needed_bytes(request: SittingRequest) -> int:
    """Weights once for each network, states for each task."""
    weights, states = {}, 0
    for network, copy, contexts in request.tasks:
        architecture = Architecture.parse(network)
        slots = contexts[0] + (request.kind != "prefill")
        weights[network, copy] = architecture.weight_bytes(request.precision.parameters)
        states += memory_bytes(architecture, slots, request.batch, request.precision) - weights[network, copy]
    return sum(weights.values()) + states


def test_a_state_that_does_not_grow_is_measured_once() -> None:
    plan = make_plan("generate:64,prompt=256", "prefill:64", meta_tokens=4)
    prefill, steps = requests(plan)
    assert all(len(task.contexts) == 1 for task in prefill.tasks)
    for network, _, contexts in steps.tasks:
        assert len(contexts) == (1 if " a" in network or "(a" in network else 3)


def test_a_captured_step_is_measured_once_for_each_graph() -> None:
    plan = make_plan("generate:2000,prompt=100")
    steps = [request for request in requests(plan, GPU) if request.kind == "step"]
    grown = [task.contexts for request in steps for task in request.tasks if "a" in task.network.split(" ", 1)[1]]
    assert set(grown) == {(255,), (511,), (1023,), (2047,), (2099,)}
    others = [task.contexts for request in steps for task in request.tasks if "a" not in task.network.split(" ", 1)[1]]
    assert set(others) == {(255, 511, 1023, 2047, 2099)}


@pytest.mark.parametrize(
    ("text", "batches"),
    [("throughput:64", [1, 8, 64]), ("throughput:64,batch=20", [1, 8, 20]), ("throughput:64,batch=1", [1])],
)
def test_throughputs_are_recorded_at_some_batches(text: str, batches: list[int]) -> None:
    assert [request.batch for request in requests(make_plan(text))] == batches


def test_batches_that_do_not_fit_are_left_out_without_a_word() -> None:
    plan = make_plan("throughput:4096")
    planned, failures = plan_sittings(plan, CPU, 40 * MIB)
    assert not failures
    tasks = Counter(request.batch for request, _ in planned for _ in request.tasks)
    assert tasks[1] > tasks[8] > 0
    assert 64 not in tasks or tasks[64] < tasks[8]
    assert {request.batch for request, _ in plan_sittings(make_plan("throughput:9000"), CPU, 12 * MIB).planned} == {1}


def test_a_network_that_does_not_fit_is_a_failure_with_its_reason() -> None:
    planned, failures = plan_sittings(make_plan("decode:4096,batch=4"), CPU, 12 * MIB)
    assert failures
    assert not set(failures) & {task.network for request, _ in planned for task in request.tasks}
    assert all("GiB needed" in reason for reason in failures.values())


def test_where_hardly_anything_fits_the_plan_is_refused() -> None:
    with pytest.raises(InputError, match=r"too few networks fit for step:4096,batch=64,float32, the smallest: .* GiB"):
        plan_sittings(make_plan("decode:4096,batch=64"), CPU, MIB)


def test_too_few_networks_to_calibrate_on_are_refused() -> None:
    plan = make_plan("decode:16")
    few = replace(plan, calibration=plan.calibration[:3])
    with pytest.raises(InputError, match="3 networks to calibrate on; at least 4"):
        plan_sittings(few, CPU, GIB)


def test_memory_takes_no_sitting_at_all() -> None:
    assert plan_sittings(make_plan("memory:4096"), CPU, 1) == ([], {})


def test_plan_of_a_space() -> None:
    space = load_space("cpu").with_vocabulary(300)
    plan = TablePlan.of_space(space, [Workload.parse("decode:64")], seed=3, calibration=6, held_out=5)
    assert (len(plan.calibration), len(plan.held_out)) == (6, 5)
    assert len({*plan.calibration, *plan.held_out}) == 11
    assert (plan.vocabulary, plan.widths, plan.operators) == (300, space.widths, space.operator_specs())
    assert plan.key(CPU) != TablePlan.of_space(space, plan.workloads, seed=4, calibration=6, held_out=5).key(CPU)
    assert plan.key(CPU) != plan.key(GPU)


def test_a_tiny_space_is_calibrated_on_several_copies() -> None:
    tiny = load_space("cpu").model_copy(
        update={"stages": ("one",), "mixers": ("m2",), "ratios": ("0:1",), "ffns": (0,), "interleave": ("none",),
                "max_operators": 2, "widths": (64,)}
    )  # fmt: skip
    plan = TablePlan.of_space(tiny, [Workload.parse("decode:64")], seed=0, held_out=5)
    assert not plan.held_out
    assert len(plan.calibrating) >= 4
    assert len(set(plan.calibrating)) == len(plan.calibrating)
