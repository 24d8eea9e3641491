import numpy as np
import pytest
from profiler_fakes import exact_cell, make_info, setting_at

from nas_search.profiler.cells import BEYOND, CHANGE, OVERHEAD
from nas_search.profiler.cost_model import KNOTS_MIB, CostModel, cache_of, changes, fit_costs, traffic_knots
from nas_search.profiler.device import Device
from nas_search.profiler.stacks import MAX_LAYERS, StackPlan
from nas_search.profiler.table import LatencyTable
from nas_search.profiler.workload import Workload
from nas_search.space.architecture import Architecture
from nas_search.space.notation import parse_operators
from nas_search.space.operators.base import OperatorSpec

OPERATORS = parse_operators("a swa[window=64] m2 d f")
PLAN = StackPlan(OPERATORS, (64, 128, 256), 256)
SETTING = setting_at("step", 256)
WORKLOAD = Workload.parse("decode:256")


@pytest.fixture(scope="module")
def model() -> CostModel:
    return CostModel(PLAN, SETTING, PLAN.networks)


@pytest.fixture(scope="module")
def truth(model: CostModel) -> np.ndarray:
    """Costs of a machine on which traffic counts from 1 and more from 4 MiB on."""
    rng = np.random.default_rng(0)
    costs = {key: rng.uniform(0.05, 0.5) for key in model.keys}
    for key in costs:
        if key.operator.startswith(BEYOND):
            costs[key] = {"beyond 1": 0.1, "beyond 4": 0.08}.get(key.operator, 0.0)
    costs[SETTING.key(CHANGE)] = 0.01
    return np.array(list(costs.values()))


def random_networks(n: int) -> list[Architecture]:
    rng = np.random.default_rng(7)
    return [
        Architecture(
            width=int(rng.choice(PLAN.widths)),
            operators=tuple(OPERATORS[i] for i in rng.integers(5, size=rng.integers(1, 13))),
        )
        for _ in range(n)
    ]


def errors(model: CostModel, truth: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """Relative errors of a table solved from ``measured`` on networks that are not in the plan."""
    cells = [exact_cell(key, ms) for key, ms in model.solve(measured).items()]
    table, networks = LatencyTable(make_info([SETTING]), cells), random_networks(60)
    return table.raw_many(networks, WORKLOAD) / (model.design(networks) @ truth) - 1


def test_exact_latencies_give_exact_predictions(model: CostModel, truth: np.ndarray) -> None:
    measured = model.design(PLAN.networks) @ truth
    assert np.max(np.abs(errors(model, truth, measured))) < 1e-6


def test_noise_and_outliers_do_little(model: CostModel, truth: np.ndarray) -> None:
    rng = np.random.default_rng(1)
    measured = model.design(PLAN.networks) @ truth * rng.normal(1, 0.01, len(PLAN.networks))
    measured[rng.choice(len(measured), 3, replace=False)] *= 1.5
    found = errors(model, truth, measured)
    assert np.mean(np.abs(found)) < 0.02


def test_a_layer_costs_what_the_slope_of_large_stacks_says(model: CostModel, truth: np.ndarray) -> None:
    """Traffic is part of a layer's cost: in the reference network layers, overhead and changes are everything."""
    terms = model.solve(model.design(PLAN.networks) @ truth)
    for width in PLAN.widths:
        network = PLAN.reference(width)
        total = sum(terms[SETTING.key(operator.notation, width)] for operator in network.operators)
        total += terms[SETTING.key(OVERHEAD, width, 256)] + terms[SETTING.key(CHANGE)] * changes(network)
        assert total == pytest.approx(float((model.design([network]) @ truth)[0]))


def test_costs_are_not_negative() -> None:
    design = np.array([[1.0, 1.0], [1.0, 2.0], [1.0, 3.0]])
    costs = fit_costs(design, np.array([3.0, 2.0, 1.0]))
    assert np.all(costs >= 0)


def test_plan_has_stacks_of_n_and_2n_layers_of_every_operator() -> None:
    sequences = {(network.width, network.operators) for network in PLAN.networks}
    assert len(sequences) == len(PLAN.networks)
    for width in PLAN.widths:
        for operator in OPERATORS:
            assert (width, (operator,) * 3) in sequences
            assert (width, (operator,) * 6) in sequences


@pytest.mark.parametrize("text", ["f", "a f"])
def test_small_plans_solve(text: str) -> None:
    plan = StackPlan(parse_operators(text), (64,), 256)
    model = CostModel(plan, SETTING, plan.networks)
    depths = np.array([float(network.depth) for network in plan.networks])
    terms = model.solve(0.1 + 0.2 * depths)
    assert terms[SETTING.key("f", 64)] == pytest.approx(0.2, rel=0.05)


def test_what_lost_all_its_stacks_has_no_term_and_the_rest_is_as_good(model: CostModel, truth: np.ndarray) -> None:
    deltanet = parse_operators("d")[0]
    left = [network for network in PLAN.networks if deltanet not in network.operators and network.width > 64]
    terms = CostModel(PLAN, SETTING, left).solve(model.design(left) @ truth)
    assert {key.width for key in terms} == {0, 128, 256}
    assert SETTING.key("d", 128) not in terms
    table = LatencyTable(make_info([SETTING]), [exact_cell(key, ms) for key, ms in terms.items()])
    networks = [network for network in random_networks(60) if deltanet not in network.operators and network.width > 64]
    assert len(networks) > 5
    assert np.allclose(table.raw_many(networks, WORKLOAD), model.design(networks) @ truth)


def test_stacks_overflow_the_cache_of_a_gpu() -> None:
    cache_weights = 1_500_000
    plan = StackPlan(OPERATORS, (64, 256), 256, cache_weights)
    for operator in OPERATORS:
        single, *stacks = sorted({1, *depths_of(plan, operator, 256)})
        assert (single, stacks) == (1, [stacks[0], 2 * stacks[0]])
        assert stacks[0] * operator.parameters(256) >= cache_weights > (stacks[0] - 1) * operator.parameters(256)
        assert depths_of(plan, operator, 64) - {1} == {MAX_LAYERS, 2 * MAX_LAYERS}


def depths_of(plan: StackPlan, operator: OperatorSpec, width: int) -> set[int]:
    """Depths of the stacks of one operator."""
    alone = (network for network in plan.networks if set(network.operators) == {operator} and network.width == width)
    return {network.depth for network in alone}


def test_knots_of_a_gpu_are_shares_of_its_cache() -> None:
    gpu = Device(name="h100", fingerprint={"kind": "cuda", "cache_mib": "50"})
    cpu = Device(name="cpu", fingerprint={"kind": "cpu"})
    assert (cache_of(gpu), traffic_knots(gpu)) == (50, (25, 50, 100))
    assert (cache_of(cpu), traffic_knots(cpu)) == (0, KNOTS_MIB)
