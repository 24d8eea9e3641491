"""Optuna's own suite for samplers, on all of ours and on those of Optuna that begin with our random members.

Not run is ``SingleOnlySamplerTestCase``: it wants an error for several objectives.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pytest
from optuna.samplers import BaseSampler
from optuna.testing import pytest_samplers
from sampler_cases import CASES, TWO, problem_of

from nas_search.search.problem import FloatArray, Prospect, SearchProblem
from nas_search.search.samplers.factory import make_sampler
from nas_search.search.simulation.table_members import Row
from nas_search.space.genome import Gene, Genome

SampleFactory = Callable[[], BaseSampler]
NO_RELATIVE = frozenset({"tpe", "nsga2"})
"""Optuna's TPE draws each parameter by itself, and its NSGA-II has no parents at first: the rest is sampled alone."""


class GridSpace:
    """All combinations of the choices that Optuna's suite asks for."""

    genes = (Gene("x", (1, 10, 100)), Gene("y", (-1, -10, -100)))

    def members(self) -> Iterator[Genome]:
        return product(*(gene.choices for gene in self.genes))

    def sample(self, rng: np.random.Generator) -> Genome:
        return tuple(gene.choices[rng.integers(3)] for gene in self.genes)

    def mutate(self, genome: Genome, rng: np.random.Generator) -> Genome:
        index, step = rng.integers(2), rng.integers(1, 3)
        choices = self.genes[index].choices
        changed = choices[(choices.index(genome[index]) + step) % 3]
        return tuple(changed if place == index else value for place, value in enumerate(genome))

    def repair(self, genome: Genome) -> Genome:
        return genome


@dataclass(frozen=True)
class GridMembers:
    """Latency is the first gene."""

    space: GridSpace

    def prospects(self, genomes: Sequence[Genome]) -> list[Prospect]:
        return [Row(one, str(one), str(one), {"decode:256": float(one[0])}) for one in genomes]

    def features(self, genomes: Sequence[Genome]) -> FloatArray:
        return np.log10(np.abs(np.array(genomes, dtype=np.float64)))


def _maker(case: pytest.param, problem: SearchProblem) -> SampleFactory:
    (form,) = case.values
    return lambda: make_sampler(form.name, problem, form.options, seed=0, proposal_index=0)


def _params(problem: SearchProblem, without: frozenset[str] = frozenset()) -> list[pytest.param]:
    cases = [case for case in CASES if case.values[0].name not in without]
    return [pytest.param(_maker(case, problem), id=case.id, marks=case.marks) for case in cases]


class TestSamplersOfASpace(pytest_samplers.BasicSamplerTestCase, pytest_samplers.MultiObjectiveSamplerTestCase):
    @pytest.fixture(params=_params(problem_of()))
    def sampler(self, request: pytest.FixtureRequest) -> SampleFactory:
        return request.param


class TestParametersThatAreNoGenes(pytest_samplers.RelativeSamplerTestCase):
    @pytest.fixture(params=_params(problem_of(), without=NO_RELATIVE))
    def sampler(self, request: pytest.FixtureRequest) -> SampleFactory:
        return request.param


class TestParametersThatAreGenes:
    test_sample_relative_categorical = pytest_samplers.RelativeSamplerTestCase.test_sample_relative_categorical

    @pytest.fixture(params=_params(SearchProblem(GridMembers(GridSpace()), TWO, 8.0), without=NO_RELATIVE))
    def sampler(self, request: pytest.FixtureRequest) -> SampleFactory:
        return request.param
