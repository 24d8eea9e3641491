"""Random members of the space: the baseline."""

from collections.abc import Sequence

from optuna.trial import FrozenTrial

from nas_search.search.samplers.base import GenomeSampler
from nas_search.space.genome import Genome


class RandomMembers(GenomeSampler):
    """Draws from the space, whatever happened before."""

    def choose(self, history: Sequence[FrozenTrial]) -> Genome:
        """A random member."""
        return self.space.sample(self.rng)
