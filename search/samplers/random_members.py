"""Random members of the space: the baseline."""

from nas_search.search.samplers.base import GenomeSampler, History
from nas_search.space.genome import Genome


class RandomMembers(GenomeSampler):
    """Draws from the space, whatever happened before."""

    def choose(self, history: History) -> Genome:
        """A random member."""
        return self.space.sample(self.rng)
