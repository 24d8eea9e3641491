"""How long a study takes: the rates of trainings that were done, and of a few steps of the other networks."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from plan import Training

from nas_search.proxies.data import Corpus
from nas_search.proxies.windows import TrainingWindows
from nas_search.space.architecture import Architecture

WARM_STEPS, STEPS = 2, 6
Progress = Callable[[int, int], object]


def seconds_per_token(
    trainings: Sequence[Training], done: Mapping[str, float], corpus: Corpus, progress: Progress
) -> dict[str, float]:
    """Of each architecture: as in ``done``, else by the time of some steps here (on a CPU, of the thread)."""
    examples = {training.architecture: training for training in trainings if training.architecture not in done}
    found = dict(done)
    for place, training in enumerate(examples.values()):
        found[training.architecture] = _probe(training, corpus)
        progress(place + 1, len(examples))
    return found


def hours(trainings: Sequence[Training], rates: Mapping[str, float], jobs: int) -> float:
    """Wall time of ``trainings`` by so many workers that are never idle."""
    return sum(training.work * rates[training.architecture] for training in trainings) / jobs / 3600


def _probe(training: Training, corpus: Corpus) -> float:
    import torch

    from nas_search.proxies.trunk import Trunk

    torch.set_num_threads(1)
    recipe = training.recipe
    trunk = Trunk(Architecture.parse(training.architecture), recipe, training.seed, training.device)
    windows = TrainingWindows(corpus.train, recipe.sequence_length, recipe.batch, training.seed)
    trunk.train_to(WARM_STEPS, windows, lambda steps: None)
    # What other processes take of a core is not the training's.
    clock = time.thread_time if training.device == "cpu" else time.perf_counter
    began = clock()
    trunk.train_to(WARM_STEPS + STEPS, windows, lambda steps: None)
    return (clock() - began) / STEPS / recipe.tokens_per_step
