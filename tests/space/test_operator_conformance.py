"""What every operator must satisfy. A new operator is tested by being registered: there is nothing to add here."""

from nas_search.space.operators.registry import operator_types
from nas_search.space.operators.testing import OperatorConformance

# Options of operators, as data; operators of other packages are tested with their defaults.
VARIANTS = (
    "a[heads=4,kv=2,qk_norm=yes,qkv_bias=yes]",
    "swa[window=5,kv=2]",
    "swa[window=40]",
    "swa[window=70,qk_norm=yes]",
    "m[state=8,conv=2,dt_rank=3]",
    "m[expand=1,state=5,conv=1]",
    "m2[groups=2,state=24]",
    "m2[expand=1,conv=2,head_dim=16]",
    "d[head_dim=16,conv=1]",
    "gd[expand_v=2,conv=2]",
    "gla[head_dim=64,gate_rank=5]",
    "r7[head_dim=16,rank=7,gate_rank=9]",
    "f[hidden=100]",
)


class TestOperators(OperatorConformance):
    codes = tuple(operator_types())
    variants = VARIANTS
