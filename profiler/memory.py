"""How much memory a network touches while it computes."""

from __future__ import annotations

from collections.abc import Iterable

from nas_search.profiler.cells import PhaseSetting
from nas_search.space.architecture import DTYPE_BYTES, Architecture
from nas_search.space.operators.base import OperatorSpec

MIB = 2**20


def network_mib(architecture: Architecture, setting: PhaseSetting) -> float:
    """Weights and state of a network in MiB."""
    width = architecture.width
    return fixed_mib(width, architecture.vocabulary, setting) + layers_mib(architecture.operators, width, setting)


def layers_mib(operators: Iterable[OperatorSpec], width: int, setting: PhaseSetting) -> float:
    """Weights and state of layers, their norms included."""
    return sum(layer_mib(operator, width, setting) for operator in operators)


def layer_mib(operator: OperatorSpec, width: int, setting: PhaseSetting) -> float:
    """Weights and state of one layer."""
    return layer_bytes(operator, width, setting) / MIB


def layer_bytes(operator: OperatorSpec, width: int, setting: PhaseSetting) -> int:
    """Weights and state of one layer, its norm included."""
    parameters, cache, state = (DTYPE_BYTES[dtype] for dtype in setting.precision)
    memory = operator.memory_elements(width)
    kept = operator.state_elements(width, setting.phase.context) - memory
    weights = (operator.parameters(width) + width) * parameters
    return weights + setting.batch * (kept * cache + memory * state)


def fixed_mib(width: int, vocabulary: int, setting: PhaseSetting) -> float:
    """Head and final norm; of the embedding a step reads single rows."""
    return (vocabulary + 1) * width * DTYPE_BYTES[setting.precision.parameters] / MIB
