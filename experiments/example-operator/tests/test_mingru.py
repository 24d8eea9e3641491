"""minGRU under the conformance suite of nas-search."""

from nas_search.space.operators.testing import OperatorConformance


class TestMinGRU(OperatorConformance):
    """The operator with its defaults, and with its options."""

    codes = ("mingru",)
    variants = ("mingru[expand=2]", "mingru[expand=3]")
