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
    state = setting.batch * operator.state_elements(width, setting.phase.context)
    return (operator.parameters(width) + width + state) * _bytes(setting) / MIB


def fixed_mib(width: int, vocabulary: int, setting: PhaseSetting) -> float:
    """Head and final norm; of the embedding a step reads single rows."""
    return (vocabulary + 1) * width * _bytes(setting) / MIB


def _bytes(setting: PhaseSetting) -> int:
    sizes: dict[str, int] = {str(name): size for name, size in DTYPE_BYTES.items()}
    return sizes[setting.dtype]
