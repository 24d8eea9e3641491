"""The hyperparameters of short training, in one value that a study can store and compare."""

from pydantic import BaseModel, ConfigDict, Field

VALIDATION_BATCH = 16
"""Windows that are scored at once."""


class TrainingRecipe(BaseModel):
    """AdamW on windows of tokens: linear warm-up, then a constant rate, then a short linear decay for scoring.

    The warm-up is counted in tokens, so that it does not depend on how far a candidate is trained.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

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

    @property
    def tokens_per_step(self) -> int:
        """Tokens that one optimiser step predicts."""
        return self.batch * self.sequence_length
