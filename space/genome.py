"""The genome: a fixed-length tuple of choices, and the plan that it spells.

A network is a few stages in a row. A stage repeats one block, which has at most two kinds of mixer in a ratio
``n:m`` (n times the first, then m times the second) and an FFN policy. Two neighbouring stages may interleave. A
space may also let every stage choose options of its operators, such as heads or the FFN's ratio.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

Choice = str | int | float | bool
Genome = tuple[Choice, ...]
FfnPolicy = int | Literal["between"]

BETWEEN: Literal["between"] = "between"
"""FFN policy: one FFN after every mixer of a block but the last."""
NO_INTERLEAVE = "none"


class Gene(NamedTuple):
    """One factor of the search: its name and the values that it can take."""

    name: str
    choices: tuple[Choice, ...]


class StagePlan(NamedTuple):
    """One stage: two mixer kinds (operator notation), their ratio, FFNs after each mixer, block repeats.

    ``options`` has a choice for each of the space's options, in their order.
    """

    first: str
    second: str
    ratio: str
    ffn: FfnPolicy
    repeats: int
    options: tuple[Choice, ...] = ()


STAGE_FIELDS = tuple(field for field in StagePlan._fields if field != "options")
"""The genes that a stage has in every space; those of its options follow them."""


class Plan(NamedTuple):
    """What a genome says. ``width`` is None where the space derives it from the latency target."""

    stages: tuple[StagePlan, ...]
    interleave: str
    width: int | None

    def with_repeats(self, repeats: Sequence[int]) -> "Plan":
        """The same blocks with other repeats, one for each stage."""
        stages = tuple(stage._replace(repeats=count) for stage, count in zip(self.stages, repeats, strict=True))
        return self._replace(stages=stages)


def to_genome(plan: Plan) -> Genome:
    """The genes of all stages in order, then the interleaving, then the width if there is one."""
    genes: list[Choice] = [value for stage in plan.stages for value in (*stage[:-1], *stage.options)]
    genes.append(plan.interleave)
    return tuple(genes) if plan.width is None else (*genes, plan.width)


def to_plan(genome: Genome, stages: int, options: int) -> Plan:
    """The plan of a genome with ``stages`` stages of ``options`` options, whose values have been checked."""
    size = len(STAGE_FIELDS) + options
    parts = [genome[size * index : size * (index + 1)] for index in range(stages)]
    tail = genome[size * stages :]
    width = int(tail[1]) if len(tail) > 1 else None
    return Plan(tuple([_stage(*part) for part in parts]), str(tail[0]), width)


@lru_cache(maxsize=8192, typed=True)  # 1 and True are different options
def _stage(first: Choice, second: Choice, ratio: Choice, ffn: Choice, repeats: Choice, *options: Choice) -> StagePlan:
    policy = BETWEEN if ffn == BETWEEN else int(ffn)
    return StagePlan(str(first), str(second), str(ratio), policy, int(repeats), options)


def check_genome(genome: Genome, genes: Sequence[Gene]) -> None:
    """Raise ValueError unless every value of ``genome`` is a choice of its gene."""
    if len(genome) != len(genes):
        raise ValueError(f"a genome of this space has {len(genes)} values, not {len(genome)}")
    for value, gene in zip(genome, genes, strict=True):
        if value not in gene.choices:
            raise ValueError(f"gene {gene.name}: {value!r} is not one of {list(gene.choices)}")
