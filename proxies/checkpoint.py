"""Trunks on disk: safetensors with weights, moments of the optimisers and losses; written whole or not at all.

A file does not tell on which device the trunk was; it loads on any.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor
from torch.optim import Optimizer

from nas_search.files import write_atomic
from nas_search.proxies.checksum import CHECKSUM_KEY, checksum
from nas_search.proxies.recipe import TrainingRecipe
from nas_search.proxies.trunk import Trunk
from nas_search.space.architecture import Architecture

TRUNK_FILE = "trunk.safetensors"
_FORMAT = 1
_ADAMW, _MUON = ("exp_avg", "exp_avg_sq"), ("momentum_buffer",)
_MOMENTS = (*_ADAMW, *_MUON)


def training_identity(architecture: Architecture, recipe: TrainingRecipe, corpus_hash: str, seed: int) -> str:
    """A hash of all that a trunk depends on."""
    parts = [_FORMAT, architecture.notation, recipe.model_dump(mode="json"), corpus_hash, seed]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def save_trunk(trunk: Trunk, folder: Path, identity: str) -> None:
    """Replace the trunk in ``folder`` atomically. Raises OSError when the disk is full."""
    tensors = {f"weights.{name}": weight.detach() for name, weight in trunk.model.named_parameters()}
    owners = _owners(trunk)
    for name, weight in trunk.model.named_parameters():
        state = owners[weight].state.get(weight, {})  # nothing for a weight that never had a gradient
        tensors |= {f"{moment}.{name}": state[moment] for moment in _MOMENTS if moment in state}
    tensors["losses"] = torch.tensor(trunk.losses, dtype=torch.float64)
    tensors = _on_host(tensors)
    metadata = {"identity": identity, "steps": str(trunk.steps), CHECKSUM_KEY: _checksum(tensors)}
    write_atomic(folder / TRUNK_FILE, save(tensors, metadata))


def load_trunk(trunk: Trunk, folder: Path, identity: str, at_most: int) -> None:
    """Bring a fresh trunk to the state saved in ``folder``.

    It stays fresh when there is none, when it belongs to another training (``identity``), when it has gone further
    than ``at_most`` steps, or when it is damaged: training from the start gives the same result, only later.
    """
    tensors = _read(folder / TRUNK_FILE, identity, at_most)
    if tensors is None or not _fits(trunk, tensors):
        return
    steps, owners = len(tensors["losses"]), _owners(trunk)
    for name, weight in trunk.model.named_parameters():
        weight.data.copy_(tensors[f"weights.{name}"])
        state = {moment: tensors[f"{moment}.{name}"] for moment in _MOMENTS if f"{moment}.{name}" in tensors}
        if state.keys() >= set(_ADAMW):
            state["step"] = torch.tensor(float(steps))
        if state:
            owners[weight].state[weight] = {key: value.to(trunk.device) for key, value in state.items()}
    trunk.losses = tensors["losses"].tolist()


def save_weights(trunk: Trunk, path: Path, metadata: dict[str, str]) -> None:
    """Write the weights alone, under the names of the model's parameters. Raises OSError when the disk is full."""
    tensors = _on_host({name: weight.detach() for name, weight in trunk.model.named_parameters()})
    write_atomic(path, save(tensors, {**metadata, CHECKSUM_KEY: _checksum(tensors)}))


def _owners(trunk: Trunk) -> dict[Tensor, Optimizer]:
    """Which optimiser each weight belongs to."""
    return {
        weight: optimizer
        for optimizer in trunk.optimizers
        for group in optimizer.param_groups
        for weight in group["params"]
    }


def _read(path: Path, identity: str, at_most: int) -> dict[str, Tensor] | None:
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("identity") != identity or int(metadata["steps"]) > at_most:
                return None
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except (SafetensorError, OSError, KeyError, ValueError):
        return None
    return tensors if metadata.get(CHECKSUM_KEY) in {None, _checksum(tensors)} else None


def _fits(trunk: Trunk, tensors: Mapping[str, Tensor]) -> bool:
    """Whether all weights are there, in their shapes, whoever wrote the file."""
    shapes = {name: weight.shape for name, weight in trunk.model.named_parameters()}
    found = {f"{part}.{name}": shape for part in ("weights", *_MOMENTS) for name, shape in shapes.items()}
    alike = all(tensors[name].shape == shape for name, shape in found.items() if name in tensors)
    there = all(f"weights.{name}" in tensors for name in shapes) and "losses" in tensors
    return there and alike and tensors["losses"].dim() == 1


def _checksum(tensors: Mapping[str, Tensor]) -> str:
    return checksum({name: tensor.reshape(-1).view(torch.uint8).numpy().data for name, tensor in tensors.items()})


def _on_host(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.contiguous().cpu() for name, tensor in tensors.items()}
