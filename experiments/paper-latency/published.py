"""The paper's figures, which ours are printed beside."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from nas_search.space.zoo import zoo_names
from nas_search.yaml_text import parse_yaml

FILE = Path(__file__).with_name("published.yaml")


class Figures(BaseModel):
    """Of one model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    latency_s: float
    tokens_per_s: float


class Baseline(Figures):
    """A model with the hybrid that it is compared with."""

    against: str


class Published(BaseModel):
    """All models of the table by name, baselines in the order in which they are measured."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    settings: str
    units: dict[str, str]
    hybrids: dict[str, Figures]
    baselines: dict[str, Baseline]

    @property
    def measurable(self) -> tuple[str, ...]:
        """The baselines whose shapes are in the zoo."""
        return tuple(name for name in self.baselines if name in zoo_names())

    def latency_ratio(self, name: str) -> float:
        """How many times the hybrid's latency a baseline takes."""
        baseline = self.baselines[name]
        return baseline.latency_s / self.hybrids[baseline.against].latency_s

    def throughput_ratio(self, name: str) -> float:
        """How many times a baseline's tokens the hybrid makes."""
        baseline = self.baselines[name]
        return self.hybrids[baseline.against].tokens_per_s / baseline.tokens_per_s


def read_published() -> Published:
    """From the file beside this one."""
    return Published.model_validate(parse_yaml(FILE.read_text(encoding="utf-8"), FILE.name))
