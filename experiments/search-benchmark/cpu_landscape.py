"""The default space with losses and latencies by formula: a landscape that is no table, since it is too large for one.

Nothing here was trained or timed. Losses fall with parameters, are lowest where attention stands among recurrent layers
and near the output and where half of the layers are FFNs, and have noise of their own for each architecture. Latencies
rise with every layer, twice as much for attention, and with the bytes of weights.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import count

import numpy as np
from optuna.storages import InMemoryStorage
from scipy.stats import norm

from nas_search.profiler.workload import Workload
from nas_search.search.bench.scale import Scale
from nas_search.search.front import Point
from nas_search.search.goals import Goals
from nas_search.search.journal import Outcome, StudyJournal
from nas_search.search.problem import SearchProblem
from nas_search.search.proposer import Proposer
from nas_search.search.samplers.base import distributions
from nas_search.search.samplers.factory import MakeSampler
from nas_search.search.space_members import SpaceMembers
from nas_search.space.architecture import Architecture
from nas_search.space.search_space import load_space

ATTENTION = frozenset({"a", "swa"})
SAMPLE = 3000
NOISE = 0.02


@cache
def loss(notation: str) -> float:
    """Bits per byte."""
    architecture = Architecture.parse(notation)
    codes = [operator.code for operator in architecture.operators]
    mixers = [code for code in codes if code != "f"]
    attention = [index for index, code in enumerate(codes) if code in ATTENTION]
    share = len(attention) / len(mixers)
    late = sum(attention) / len(attention) / len(codes) if attention else 0.0
    draw = int.from_bytes(hashlib.sha256(notation.encode()).digest()[:4]) / 2**32
    return float(
        1.8
        + 0.6 * (architecture.parameters / 1e5) ** -0.3
        + 0.3 * (share - 0.3) ** 2
        - 0.06 * late
        + 0.2 * (codes.count("f") / len(codes) - 0.5) ** 2
        + NOISE * norm.ppf(np.clip(draw, 1e-6, 1 - 1e-6))
    )


def latencies(architectures: Sequence[Architecture], workload: Workload) -> list[float]:
    """Milliseconds: 10 us for each layer, 20 us for attention, and weights of four bytes at 20 GB/s."""
    return [
        0.01 * sum(1 + (operator.code in ATTENTION) for operator in architecture.operators)
        + architecture.parameters * 4 / 20e9 * 1e3
        for architecture in architectures
    ]


@dataclass(frozen=True)
class CpuLandscape:
    """Hypervolumes are shares of that of the front of SAMPLE random members, so they may pass 1."""

    problem: SearchProblem
    scale: Scale

    @classmethod
    def build(cls) -> "CpuLandscape":
        """With the vocabulary of bytes."""
        space = load_space("cpu").with_vocabulary(256)
        goals = Goals.stored(("decode:256", "loss"), ())
        members = SpaceMembers(space, goals, latencies)
        sample = members.prospects([space.sample(rng) for rng in [np.random.default_rng(0)] for _ in range(SAMPLE)])
        points = [(prospect.figures["decode:256"], loss(prospect.architecture)) for prospect in sample]
        return cls(SearchProblem(members, goals, penalty_loss=8.0), Scale.of(np.array(points)))

    def search(self, make: MakeSampler, trials: int, seed: int) -> list[Point]:
        """Latency and loss of the candidates in the order of a search with one worker."""
        problem = self.problem
        journal = StudyJournal(InMemoryStorage(), distributions(problem.space.genes), problem.goals)
        proposer = Proposer(problem, make, seed)
        seen: dict[str, int] = {}
        points: list[Point] = []
        for index in count():
            if len(points) == trials:
                return points
            trial = journal.create(index)
            candidate = proposer.propose(journal, trial, seen)
            journal.write_candidate(trial, candidate)
            value = loss(candidate.architecture)
            journal.tell(trial, candidate, Outcome(state="complete", told_loss=value, bits_per_byte=value))
            if candidate.duplicate_of is None:
                seen[candidate.fingerprint] = trial.number
                points.append((candidate.latency_ms, value))
        raise AssertionError("proposals are endless")
