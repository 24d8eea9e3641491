"""What training a candidate on one rung gives."""

from pydantic import BaseModel, ConfigDict


class RungResult(BaseModel):
    """The score of one candidate on one rung, or the reason why there is none.

    ``tokens`` counts every token that the scored weights were trained on, the decay branch included. ``curve``
    holds (tokens, training loss in bits per byte) from the first token on, also after a resumption. ``seconds``
    is the wall time of this call. ``failure`` is one line, and then ``bits_per_byte`` is None. ``reused`` says that the
    training was done in another run, so that it took no seconds here.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rung: int
    tokens: int
    bits_per_byte: float | None
    seconds: float
    curve: list[tuple[int, float]]
    failure: str | None = None
    reused: bool = False
