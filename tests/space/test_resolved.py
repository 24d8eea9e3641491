"""Operators with every size written out are the same operators."""

import pytest

from nas_search.space.notation import parse_operators
from nas_search.space.operators.base import OperatorSpec

OPERATORS = parse_operators(
    "a a[heads=4] a[head_dim=16,kv=2] swa[window=9] m m[dt_rank=3] m2 m2[head_dim=16] d d[head_dim=16] gd[expand_v=2] "
    "gla gla[head_dim=16] r7 r7[rank=8] f f[ratio=2]"
)
# Below, between and above the widths at which default sizes change.
WIDTHS = (128, 768, 2048)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.notation)
def test_costs_stay_and_nothing_is_left_open(operator: OperatorSpec, width: int) -> None:
    resolved = operator.resolved(width)
    assert type(resolved) is type(operator)
    assert None not in resolved.model_dump().values()
    assert resolved.resolved(width) == resolved
    resolved.check(width)
    for cost in ("parameters", "memory_elements"):
        assert getattr(resolved, cost)(width) == getattr(operator, cost)(width)
    for cost in ("flops", "state_elements"):
        assert getattr(resolved, cost)(width, 100) == getattr(operator, cost)(width, 100)


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.notation)
def test_another_width_does_not_change_them(operator: OperatorSpec) -> None:
    """All sizes are written out, none still follows: keys and values, states, hidden sizes and ranks."""
    written = {name: value for name, value in operator.resolved(128).model_dump().items() if value is not None}
    assert written.items() <= operator.resolved(128).resolved(2048).model_dump().items()
