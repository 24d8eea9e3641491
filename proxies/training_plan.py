"""One network's training at full length, in one file that people can read and change."""

from __future__ import annotations

from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from nas_search.errors import InputError, first_problem
from nas_search.proxies.recipe import TrainingRecipe
from nas_search.proxies.text_sources import EMBEDDED
from nas_search.proxies.tokenizer import BYTES
from nas_search.space.architecture import Architecture
from nas_search.yaml_text import parse_yaml

RECIPE_FILE = "recipe.yaml"
MOST_TOKENS = 10**18
MAY_CHANGE = frozenset({"tokens", "device", "corpus"})
"""A training may go on with other values of these."""


class TrainingPlan(BaseModel):
    """What is trained, on which text, for how many ``tokens``, and how (``recipe``).

    ``corpus`` is the hash of the tokens that the recipe was used on in a search, None if it was not: losses compare
    only at equal hash. In YAML the architecture is its notation.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    architecture: Architecture
    data: str = EMBEDDED
    tokenizer: str = BYTES
    corpus: str | None = None
    tokens: int = Field(ge=1, le=MOST_TOKENS)
    seed: int = Field(default=0, ge=0, lt=2**32)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    recipe: TrainingRecipe = Field(default_factory=lambda: TrainingRecipe.model_validate({}))

    @field_validator("architecture", mode="before")
    @classmethod
    def _from_notation(cls, value: Any) -> Any:
        return Architecture.parse(value) if isinstance(value, str) else value

    @classmethod
    def from_yaml(cls, text: str, where: str) -> TrainingPlan:
        """From YAML text. Raises InputError that names ``where`` and the field."""
        fields = parse_yaml(text, where)
        if not isinstance(fields, dict):
            raise InputError(f"{where}: not a mapping of fields to values")
        return cls.checked(fields, where)

    @classmethod
    def checked(cls, fields: dict[str, Any], where: str) -> TrainingPlan:
        """Validate ``fields``; an InputError names ``where`` and the field."""
        try:
            return cls.model_validate(fields)
        except InputError as error:  # from the notation, which pydantic lets through as it is
            raise InputError(f"{where}: architecture: {error}") from None
        except ValidationError as error:
            raise InputError(f"{where}: {first_problem(error)}") from None

    def to_yaml(self) -> str:
        """As YAML that :meth:`from_yaml` reads."""
        fields = self.model_dump(mode="json") | {"architecture": self.architecture.notation}
        return yaml.safe_dump(fields, sort_keys=False, width=1000)

    def conflict_with(self, stored: TrainingPlan) -> str | None:
        """The first field in which a training that goes on must not differ from ``stored``, but does."""
        mine, theirs = self.model_dump(mode="json"), stored.model_dump(mode="json")
        return next((name for name in mine if name not in MAY_CHANGE and mine[name] != theirs[name]), None)
