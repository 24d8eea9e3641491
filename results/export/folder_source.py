"""A network in a folder, to be exported: a winner, what ``nas-search train`` wrote, or an architecture alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from nas_search.errors import InputError
from nas_search.proxies.recipe import TrainingRecipe
from nas_search.proxies.tokenizer import load_tokenizer
from nas_search.proxies.training_plan import RECIPE_FILE, TrainingPlan
from nas_search.results.export.base import ExportSource
from nas_search.results.export.fresh import usual_tokenizer, with_fresh_weights
from nas_search.results.training_result import read_result
from nas_search.results.winner_files import ARCHITECTURE_FILE, TOKENIZER_KEY, TWIN_FILE, WEIGHTS_FILE
from nas_search.space.architecture import Architecture
from nas_search.space.package_data import read_file


@dataclass(frozen=True)
class NetworkFolder:
    """A folder with ``architecture.yaml``; weights and tokenizer where they are there."""

    path: Path

    @property
    def architecture(self) -> Architecture:
        """That of the network; of a winner whose twin was trained, the winner's."""
        return _architecture(self.path / ARCHITECTURE_FILE)

    def specification(self) -> ExportSource:
        """With the figures and the recipe of a training at full length, if this is one."""
        architecture, result, plan = self.architecture, read_result(self.path), self._plan()
        return ExportSource(
            architecture=architecture,
            origin=str(self.path),
            tokenizer_name=self._tokenizer_name(architecture),
            figures=() if result is None else result.rows,
            recipe=plan.recipe if plan else TrainingRecipe.model_validate({}),
            data=plan.data if plan else None,
            corpus=plan.corpus if plan else None,
        )

    def network(self, *, weights: bool) -> ExportSource:
        """With the folder's weights; fresh ones if it has none, or those of a twin."""
        source = self.specification()
        name = source.tokenizer_name
        source = replace(source, tokenizer=None if name is None else load_tokenizer(name, self.path))
        return self._with_weights(source) if weights else source

    def _with_weights(self, source: ExportSource) -> ExportSource:
        if self._is_twin:
            return with_fresh_weights(source, "those in the folder are of a smaller twin")
        if not self._has_weights:
            return with_fresh_weights(source, "there are none in the folder")
        from nas_search.results.loaded_model import read_model

        return replace(source, model=read_model(source.architecture, self.path / WEIGHTS_FILE)[0], trained=True)

    @property
    def _is_twin(self) -> bool:
        return (self.path / TWIN_FILE).exists()

    @property
    def _has_weights(self) -> bool:
        return (self.path / WEIGHTS_FILE).exists()

    def _tokenizer_name(self, architecture: Architecture) -> str | None:
        """That of the weights, if the network has its tokens."""
        if not self._has_weights:
            return usual_tokenizer(architecture)
        trained = _architecture(self.path / TWIN_FILE) if self._is_twin else architecture
        return _named_tokenizer(self.path / WEIGHTS_FILE) if trained.vocabulary == architecture.vocabulary else None

    def _plan(self) -> TrainingPlan | None:
        file = self.path / RECIPE_FILE
        return TrainingPlan.from_yaml(read_file(file), str(file)) if file.exists() else None


def _architecture(file: Path) -> Architecture:
    return Architecture.from_yaml(read_file(file), str(file))


def _named_tokenizer(weights: Path) -> str | None:
    """The tokenizer that the weights' metadata names."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(weights, framework="np") as file:
            return (file.metadata() or {}).get(TOKENIZER_KEY)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{weights}: no readable safetensors file: {' '.join(str(error).split())}") from None
