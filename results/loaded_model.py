"""A winner in memory: network, weights and tokenizer, ready to continue text."""

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from nas_search.errors import InputError
from nas_search.proxies.tokenizer import Tokenizer, load_tokenizer
from nas_search.results.winner_files import ARCHITECTURE_FILE, TOKENIZER_KEY, TWIN_FILE, WEIGHTS_FILE
from nas_search.space.architecture import Architecture
from nas_search.space.model import HybridLM
from nas_search.yaml_text import read_text


@dataclass(frozen=True)
class LoadedModel:
    """A trained network with the tokenizer that it was trained with.

    ``architecture`` is that of the network. Where it is the twin of a winner that was not trained itself, ``twin_of``
    is the winner's.
    """

    architecture: Architecture
    model: HybridLM
    tokenizer: Tokenizer
    twin_of: Architecture | None = None

    def generate_text(self, prompt: str, new_tokens: int = 200, *, temperature: float = 0.8, seed: int = 0) -> str:
        """The prompt and its continuation by ``new_tokens`` sampled tokens; temperature 0 takes the likeliest ones.

        Bytes that are no UTF-8 become U+FFFD. Raises InputError for an empty prompt or options out of range.
        """
        if not prompt:
            raise InputError("generate_text: the prompt is empty; give at least one character to go on from")
        tokens = torch.tensor(self.tokenizer.encode(prompt).tolist(), dtype=torch.int64)[None]
        output = self.model.generate(tokens, new_tokens, temperature=temperature, seed=seed)
        return self.tokenizer.decode(output[0].tolist())


def load_model(folder: Path) -> LoadedModel:
    """The model in a winner's folder. Raises InputError if a file is missing, damaged or of another architecture."""
    winner = _read_architecture(folder / ARCHITECTURE_FILE)
    is_twin = (folder / TWIN_FILE).exists()
    architecture = _read_architecture(folder / TWIN_FILE) if is_twin else winner
    model, metadata = read_model(architecture, folder / WEIGHTS_FILE)
    tokenizer = load_tokenizer(metadata.get(TOKENIZER_KEY, "none"), folder)
    if tokenizer.vocabulary != architecture.vocabulary:
        raise InputError(
            f"{folder}: the tokenizer has {tokenizer.vocabulary} tokens, the architecture {architecture.vocabulary}"
        )
    return LoadedModel(architecture, model, tokenizer, twin_of=winner if is_twin else None)


def read_model(architecture: Architecture, path: Path) -> tuple[HybridLM, dict[str, str]]:
    """A network with the weights in a safetensors file, for inference, and the file's metadata.

    Raises InputError if the file is missing, damaged or of another architecture.
    """
    weights, metadata = _read_weights(path)
    return _with_weights(architecture, weights, path), metadata


def _read_architecture(path: Path) -> Architecture:
    try:
        text = read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read, so this is no winner's folder: {error}") from None
    return Architecture.from_yaml(text, str(path))


def _read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
            return tensors, file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: no readable safetensors file: {' '.join(str(error).split())}") from None


def _with_weights(architecture: Architecture, weights: dict[str, Tensor], path: Path) -> HybridLM:
    """A network with exactly these weights. Sizes are compared before anything is allocated."""
    found = sum(weight.numel() for weight in weights.values())
    if found != architecture.parameters:
        raise InputError(
            f"{path}: {found:,} numbers, but {architecture.notation} has {architecture.parameters:,} parameters"
        )
    model = HybridLM(architecture)
    parameters = dict(model.named_parameters())
    if parameters.keys() != weights.keys():
        names = sorted(parameters.keys() ^ weights.keys())
        raise InputError(f"{path}: not the weights of {architecture.notation}; differs in {', '.join(names[:3])}")
    for name, parameter in parameters.items():
        if parameter.shape != weights[name].shape:
            shapes = f"{list(weights[name].shape)}, not {list(parameter.shape)}"
            raise InputError(f"{path}: {name} has shape {shapes}")
        parameter.data.copy_(weights[name])
    return model.eval().requires_grad_(False)
