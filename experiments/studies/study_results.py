"""What a study's trainings came to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from plan import Member, Study, Training
from shards import Shard, Shards

from nas_search.errors import InputError

Vector = NDArray[np.float64]


class Results(NamedTuple):
    """A study whose trainings are all done."""

    study: Study
    shards: Shards

    def losses(self, network: str, arm: str | None = None, tokens: int | None = None) -> Vector:
        """[seeds] bits per byte of a network after ``tokens`` (default: the last budget), infinite if one failed."""
        member = Member(network, next(iter(self.study.config.arms)) if arm is None else arm)
        return np.array([_loss(shard, tokens) for shard in self.of(member)])

    def of(self, member: Member) -> list[Shard]:
        """The shards of all seeds."""
        trainings = (self.study.training(member, seed, self.shards.loss) for seed in self.study.config.seeds)
        return [shard for training in trainings if training and (shard := self.shards.get(training))]

    def facts(self) -> list[str]:
        """On what all of it was trained, a line each."""
        shards = [shard for member in self.study.members for shard in self.of(member)]
        config = self.study.config
        machines = "; ".join(dict.fromkeys(f"{shard.machine}" for shard in shards))
        hours = sum(scored.seconds for shard in shards for scored in shard.scores) / 3600
        return [
            f"trained on {machines}: {hours:.2f} hours of one thread",
            f"text {config.data}, hash {self.study.corpus}; {config.tokens[-1]:,} tokens; seeds "
            f"{', '.join(map(str, config.seeds))}",
        ]


def complete(study: Study, shards: Shards) -> Results:
    """The results. Raises InputError if a training was not done yet, or networks are not as equal as claimed."""
    check_parameters(study)
    trainings = list(study.trainings(shards.loss))
    missing = [training for training in trainings if shards.get(training) is None]
    if missing or not trainings:
        raise InputError(
            f"{study.path}: {len(trainings) - len(missing)} of {len(trainings)} trainings are recorded for text "
            f"{study.corpus} on {study.device}; do the others with train.py"
        )
    return Results(study, shards)


def check_parameters(study: Study) -> None:
    """Raise InputError if the networks have not as equally many parameters as the config claims."""
    within = study.config.parameters_within
    counts: Mapping[str, int] = {name: network.parameters for name, network in study.networks.items()}
    if within is not None and max(counts.values()) > min(counts.values()) * (1 + within):
        raise InputError(f"{study.path}: parameters differ by more than {within:.0%}: {counts}")


def swept(results: Results, member: Member) -> list[tuple[Training, float]]:
    """A member's trainings at all learning rates of the sweep, with their losses."""
    found = [(training, results.shards.loss(training)) for training in results.study.swept(member)]
    return [(training, loss) for training, loss in found if loss is not None]


def _loss(shard: Shard, tokens: int | None) -> float:
    if tokens is None:
        return shard.loss
    losses = {scored.tokens: scored.bits_per_byte for scored in shard.scores}
    loss = losses.get(tokens)
    return float("inf") if loss is None else loss
