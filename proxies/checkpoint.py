"""Trunks on disk: safetensors with weights, moments of the optimisers and losses; written whole or not at all.

A file does not tell on which device the trunk was; it loads on any.
"""

import hashlib
import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor
from torch.optim import Optimizer

from nas_search.files import write_atomic
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
    metadata = {"identity": identity, "steps": str(trunk.steps)}
    write_atomic(folder / TRUNK_FILE, save(_on_host(tensors), metadata))


def load_trunk(trunk: Trunk, folder: Path, identity: str, at_most: int) -> None:
    """Bring a fresh trunk to the state saved in ``folder``.

    It stays fresh when there is none, when it belongs to another training (``identity``), when it has gone further
    than ``at_most`` steps, or when it is unreadable: training from the start gives the same result, only later.
    """
    tensors = _read(folder / TRUNK_FILE, identity, at_most)
    if tensors is None:
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
    tensors = {name: weight.detach() for name, weight in trunk.model.named_parameters()}
    write_atomic(path, save(_on_host(tensors), metadata))


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
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except (SafetensorError, OSError):
        return None


def _on_host(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.contiguous().cpu() for name, tensor in tensors.items()}
