"""The hyperparameters of short training, in one value that a study can store and compare."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

VALIDATION_BATCH = 16
"""Windows that are scored at once."""
MUON_MOMENTUM = 0.95

Optimizer = Literal["adamw", "muon"]
Precision = Literal["auto", "float32", "bfloat16"]

_TECHNIQUES = ("optimizer", "muon_learning_rate", "muon_momentum", "weight_norm", "precision")


class TrainingRecipe(BaseModel):
    """Windows of tokens, an optimiser, and a rate that warms up, stays constant, and decays for scoring.

    The warm-up is counted in tokens, so that it does not depend on how far a candidate is trained. With ``optimizer:
    muon`` the matrices of the layers are Muon's, at ``muon_learning_rate`` (default: ``learning_rate``), and everything
    else is AdamW's. With ``weight_norm`` matrices that read or write the residual stream are projected after every
    step: :mod:`nas_search.proxies.weight_norm`. ``precision`` is that of forward and backward passes; weights and
    optimiser are in float32. ``auto`` means bfloat16 on CUDA devices that have it, float32 elsewhere.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    sequence_length: int = Field(default=256, ge=8, le=1 << 20)
    batch: int = Field(default=2, ge=1, le=1 << 16)
    learning_rate: float = Field(default=2e-3, gt=0)
    warmup_tokens: int = Field(default=8_192, ge=0)
    decay_share: float = Field(default=0.1, gt=0, lt=1)
    weight_decay: float = Field(default=0.1, ge=0)
    beta1: float = Field(default=0.9, ge=0, lt=1)
    beta2: float = Field(default=0.95, ge=0, lt=1)
    clip_norm: float = Field(default=1.0, gt=0)
    validation_tokens: int = Field(default=32_768, ge=8)
    optimizer: Optimizer = "adamw"
    muon_learning_rate: float | None = Field(default=None, gt=0)
    muon_momentum: float | None = Field(default=None, ge=0, lt=1)
    weight_norm: bool = False
    precision: Precision = "auto"

    @model_validator(mode="after")
    def _options_of_the_optimizer(self) -> Self:
        for name in ("muon_learning_rate", "muon_momentum"):
            if self.optimizer != "muon" and getattr(self, name) is not None:
                raise ValueError(f"{name}: only with optimizer: muon")
        return self

    @model_serializer(mode="wrap")
    def _without_unused_techniques(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without the techniques that are not used.

        Results and checkpoints are found by what this gives: those made before there was a technique are still found.
        """
        defaults = {name: type(self).model_fields[name].default for name in _TECHNIQUES}
        fields: dict[str, Any] = handler(self)
        return {name: value for name, value in fields.items() if name not in defaults or value != defaults[name]}

    @property
    def tokens_per_step(self) -> int:
        """Tokens that one optimiser step predicts."""
        return self.batch * self.sequence_length

    @property
    def optimizer_title(self) -> str:
        """What takes the steps, for people."""
        optimizer = "AdamW" if self.optimizer == "adamw" else "Muon for matrices of layers, AdamW for the rest"
        return f"{optimizer}, weight normalisation" if self.weight_norm else optimizer
