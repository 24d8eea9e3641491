"""What the search spaces that come with the package say of themselves."""

from nas_search.space.operators.registry import BUILT_IN
from nas_search.space.search_space import SearchSpace, load_space


def test_all_operators_has_every_operator_of_the_package_in_networks_of_the_size_of_cpu() -> None:
    space, cpu = load_space("all-operators"), load_space("cpu")
    assert {type(spec) for spec in space.operator_specs()} == set(BUILT_IN)
    assert (space.widths, space.max_operators, space.ratios) == (cpu.widths, cpu.max_operators, cpu.ratios)


def test_every_operator_of_all_operators_is_drawn() -> None:
    space = load_space("all-operators")
    networks = space.sample_architectures(200, seed=0)
    assert {operator for network in networks for operator in network.operators} == set(space.operator_specs())


def test_cpu_options_is_cpu_with_sizes_chosen_by_stage() -> None:
    space, cpu = load_space("cpu-options"), load_space("cpu")
    changed = space.model_dump() | {"name": "cpu", "mixers": cpu.mixers}
    changed.pop("options")
    assert SearchSpace.model_validate(changed) == cpu
    assert len(space.operator_specs()) == 13
    assert len(space.genes) == len(cpu.genes) + 2 * 6
