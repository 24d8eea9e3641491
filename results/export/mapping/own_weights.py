"""A network's weights, taken apart for formats that have other names and shapes for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from nas_search.results.export.mapping.misfit import Placed, placed
from nas_search.space.architecture import Architecture

if TYPE_CHECKING:
    from torch import Tensor

    from nas_search.space.model import HybridLM

Weights = dict[str, "Tensor"]

RESIDUAL_WRITE = "out_proj.weight"
"""In every operator of ours the matrix that writes into the residual stream."""


class LayerWeights(NamedTuple):
    """A layer: its operator, the gain of its norm [C], and the operator's weights under our names."""

    placed: Placed
    norm: Tensor
    mixer: Weights


@dataclass(frozen=True)
class OwnWeights:
    """Our weights, with a residual stream ``scale`` times as large as in the network itself.

    Norms undo a scale, but for their eps. So the function stays the same if the eps of the norms that read the stream
    is ``scale ** 2`` times ours: how a program with one eps for all norms, or with another head, can be met.
    Scaled weights are made when they are asked for, a layer at a time.
    """

    architecture: Architecture
    parameters: Weights
    scale: float = 1.0

    @classmethod
    def of(cls, model: HybridLM) -> OwnWeights:
        """Those of a network; nothing is copied."""
        return cls(model.architecture, {name: weight.detach() for name, weight in model.named_parameters()})

    def shapes(self) -> OwnWeights:
        """The same without the numbers, on the meta device."""
        return replace(self, parameters={name: weight.to("meta") for name, weight in self.parameters.items()})

    def scaled(self, scale: float) -> OwnWeights:
        """The same network with a stream of another scale."""
        return replace(self, scale=scale)

    def embedding(self) -> Tensor:
        """[V, C]."""
        return times(self.parameters["embedding"], self.scale)

    def meta_tokens(self) -> Tensor | None:
        """[n, C], if there are any."""
        found = self.parameters.get("meta_tokens")
        return None if found is None else times(found, self.scale)

    def final_norm(self) -> Tensor:
        """The gain [C] before the head; a head that shares a scaled embedding is calmed here."""
        gain = self.parameters["norm.weight"]
        return times(gain, 1 / self.scale) if self.architecture.tied_head else gain

    def head(self) -> Tensor:
        """[V, C]; the embedding if it is tied."""
        return self.embedding() if self.architecture.tied_head else self.parameters["head"]

    def layers(self) -> Iterator[LayerWeights]:
        """Layer by layer."""
        for each in placed(self.architecture):
            own = under(f"layers.{each.index}", self.parameters)
            mixer = under("mixer", own)
            mixer[RESIDUAL_WRITE] = times(mixer[RESIDUAL_WRITE], self.scale)
            yield LayerWeights(each, own["norm.weight"], mixer)


def under(prefix: str, weights: Weights) -> Weights:
    """The weights of a part, without the part's name."""
    start = f"{prefix}."
    return {name.removeprefix(start): weight for name, weight in weights.items() if name.startswith(start)}


def prefixed(prefix: str, weights: Weights) -> Weights:
    """The weights of a part under the name of its whole."""
    return {f"{prefix}.{name}": weight for name, weight in weights.items()}


def times(weight: Tensor, factor: float) -> Tensor:
    """The product, rounded once to the weight's format."""
    return weight if factor == 1 else (weight.double() * factor).to(weight.dtype)
