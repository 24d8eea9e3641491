"""What a latency table is recorded of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple, Self

from nas_search.profiler.calibrate import MIN_NETWORKS
from nas_search.profiler.cells import PhaseSetting
from nas_search.profiler.cost_model import cache_of
from nas_search.profiler.device import Device
from nas_search.profiler.memory import MIB
from nas_search.profiler.phases import Phase, PhaseKind, step_contexts, workload_parts
from nas_search.profiler.precision import Precision
from nas_search.profiler.stacks import StackPlan
from nas_search.profiler.timing import StopRule
from nas_search.profiler.workload import Workload
from nas_search.space.architecture import DTYPE_BYTES, Architecture
from nas_search.space.operators.base import OperatorSpec
from nas_search.space.search_space import SearchSpace

CALIBRATION_NETWORKS = 16
# Enough rounds for medians within 1-2 % on a noisy core, in less than a minute of it for the CPU space.
TABLE_STOP = StopRule(interval=0.01, min_rounds=9, max_rounds=200, max_seconds=36.0)
# A sample of energy is as long as a counter needs, up to a second.
ENERGY_STOP = StopRule(interval=0.02, min_rounds=3, max_rounds=5, max_seconds=120.0)
# Batches at which a throughput is recorded, as far as they fit.
THROUGHPUT_BATCHES = (1, 8, 64)


class Network(NamedTuple):
    """A network to build; ``copy`` tells those of one architecture apart, each with its own weights."""

    architecture: Architecture
    copy: int = 0


class Group(NamedTuple):
    """Phases of one kind, batch and precision. ``optional`` ones leave out networks that do not fit."""

    kind: PhaseKind
    batch: int
    precision: Precision
    contexts: tuple[int, ...]
    optional: bool

    @property
    def settings(self) -> list[PhaseSetting]:
        """One for each context."""
        return [PhaseSetting(Phase(self.kind, context), self.batch, self.precision) for context in self.contexts]


@dataclass(frozen=True)
class TablePlan:
    """Operators at widths with a vocabulary, the workloads to record them for, and whole networks to fit and check on.

    ``calibration`` and ``held_out`` are networks of these operators and widths with this vocabulary and these meta
    tokens. ``stop`` and ``energy_stop`` hold for each sitting.
    """

    space: str
    operators: tuple[OperatorSpec, ...]
    widths: tuple[int, ...]
    vocabulary: int
    meta_tokens: int
    workloads: tuple[Workload, ...]
    calibration: tuple[Architecture, ...]
    held_out: tuple[Architecture, ...]
    seed: int
    stop: StopRule = TABLE_STOP
    energy_stop: StopRule = ENERGY_STOP

    @classmethod
    def of_space(
        cls,
        space: SearchSpace,
        workloads: Sequence[Workload],
        *,
        seed: int,
        held_out: int,
        calibration: int = CALIBRATION_NETWORKS,
        **stops: StopRule,
    ) -> Self:
        """All operators and widths of a space, and random members, each once; fewer are held out in a tiny space."""
        drawn = space.sample_architectures(4 * (calibration + held_out), seed=seed)
        different = list(dict.fromkeys(drawn))
        known = different[:calibration]
        return cls(
            space=space.name,
            operators=tuple(space.operator_specs()),
            widths=tuple(space.widths),
            vocabulary=space.tokens,
            meta_tokens=space.meta_tokens,
            workloads=tuple(workloads),
            calibration=tuple(known * MIN_NETWORKS if len(known) < MIN_NETWORKS else known),
            held_out=tuple(different[calibration : calibration + held_out]),
            seed=seed,
            **stops,
        )

    @property
    def calibrating(self) -> list[Network]:
        """The networks that are fitted on; one that is there twice is built twice."""
        return [
            Network(network, self.calibration[:index].count(network)) for index, network in enumerate(self.calibration)
        ]

    def checking(self, copy: int) -> list[Network]:
        """The networks held out: the copy 0 that is predicted, or 1 that says what measuring again gives."""
        return [Network(network, copy) for network in self.held_out]

    def stacks(self, precision: Precision, device: Device) -> StackPlan:
        """The stacks from which the costs of layers are read."""
        cache_weights = int(cache_of(device) * MIB) // DTYPE_BYTES[precision.parameters]
        return StackPlan(self.operators, self.widths, self.vocabulary, cache_weights)

    def networks(self, precision: Precision, device: Device) -> list[Network]:
        """Everything that is built, each once, width by width."""
        stacks = map(Network, self.stacks(precision, device).networks)
        networks = dict.fromkeys((*stacks, *self.calibrating, *self.checking(0), *self.checking(1)))
        return sorted(networks, key=lambda network: network.architecture.width)

    def groups(self, device: Device) -> list[Group]:
        """What all workloads need, in their order."""
        found: dict[tuple[PhaseKind, int, Precision], dict[int, bool]] = {}
        for workload in self.workloads:
            throughput = workload.kind == "throughput"
            batches = {min(batch, workload.batch) for batch in THROUGHPUT_BATCHES} if throughput else {workload.batch}
            for part in workload_parts(workload, self.meta_tokens, captured=device.captures_steps):
                contexts = step_contexts(part)
                for batch in sorted(batches):
                    group = found.setdefault((part.kind, batch, workload.precision), {})
                    group.update({context: group.get(context, True) and throughput for context in contexts})
        return [
            Group(*key, contexts=tuple(sorted(contexts)), optional=all(contexts.values()))
            for key, contexts in found.items()
        ]

    def key(self, device: Device) -> str:
        """SHA-256 of the plan and the device's id."""
        fields = {
            **{name: getattr(self, name) for name in ("space", "widths", "vocabulary", "meta_tokens", "seed")},
            "operators": [operator.notation for operator in self.operators],
            "workloads": [str(workload) for workload in self.workloads],
            "networks": [[network.notation for network in part] for part in (self.calibration, self.held_out)],
            "stops": [asdict(self.stop), asdict(self.energy_stop)],
            "device": device.id,
        }
        return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()
