"""Whether a search trains its candidates themselves or their twins: decided once, for all alike."""

from __future__ import annotations

from nas_search.errors import InputError
from nas_search.proxies.training_memory import training_bytes
from nas_search.proxies.twin import TwinRule, times_fewer, twin_rule
from nas_search.search.setting import Setting
from nas_search.space.architecture import Architecture

MEMORY_SHARE = 0.8
"""Of the free memory, for all workers together: what trainings need is an estimate."""
GIB = 2**30


def decide_twins(setting: Setting) -> TwinRule | None:
    """The rule by which candidates are scored as twins; None if all members train as they are.

    A member is too big if its training takes more than its worker's share of the memory, or if it has more
    parameters than ``train_parameters``. The largest member decides for all, so that scores compare. A vocabulary that
    is not that of the text means twins as well. Raises InputError if no twin is small enough.
    """
    config, space, vocabulary = setting.config, setting.space, setting.corpus.vocabulary
    largest = space.largest()
    most_parameters = config.train_parameters or largest.parameters
    share = int(MEMORY_SHARE * setting.bytes_per_worker())

    def trains(architecture: Architecture) -> bool:
        return architecture.parameters <= most_parameters and training_bytes(architecture, config.recipe) <= share

    if space.tokens == vocabulary and trains(largest):
        return None
    rule = twin_rule(space.widths, space.operator_specs(), vocabulary, lambda rule: trains(rule.twin(largest)))
    if rule is None:
        raise InputError(
            f"space {space.name}: members of up to {largest.parameters:,} parameters are too big to train here, and so "
            f"are twins of {len(space.widths)} different widths that suit all operators (at most {most_parameters:,} "
            f"parameters, {share / GIB:.1f} GiB for each of {config.worker_count} workers); give a greater "
            f"--train-parameters, fewer workers, or another space"
        )
    return rule


def twin_note(setting: Setting, rule: TwinRule) -> str:
    """What a user should know when candidates are scored as twins."""
    largest = setting.space.largest()
    twin = rule.twin(largest)
    widths = ", ".join(f"{width} as {smaller}" for width, smaller in rule.widths.items())
    return (
        f"architectures are scored as twins: the same operators, width {widths}, {rule.vocabulary} tokens; that of the "
        f"largest has {twin.parameters:,} parameters, {times_fewer(largest, twin):.3g} times fewer"
    )
