"""The names of all samplers, with the options that each takes. Imports nothing: the command line lists them."""

SAMPLER_OPTIONS: dict[str, frozenset[str]] = {
    "bayes": frozenset(),
    "random": frozenset(),
    "enumerate": frozenset(),
    "evolution": frozenset({"population", "sample_size", "cycle", "crossover", "screened"}),
    "tpe": frozenset(),
    "nsga2": frozenset({"population"}),
    "gp": frozenset(),
}
WARM_SAMPLERS = frozenset({"bayes"})
"""Those that learn from the trials of other runs."""


def sampler_names() -> tuple[str, ...]:
    """Names of all samplers."""
    return tuple(SAMPLER_OPTIONS)
