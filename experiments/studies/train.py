"""Do the trainings of a study that have not been done yet.

    python experiments/studies/train.py experiments/operators [--jobs 2] [--list] [--dry-run] [--device cpu|cuda]

Each training is kept in a file of its own in the study's ``recorded/trainings``, so that the same command goes on
where it was interrupted; a training that was in its middle goes on from its last budget. ``--list`` prints what there
is to train and what came of it, ``--dry-run`` how many hours are left: by the rates of networks that were trained
before, and of a few steps of all others (on a CPU in time of the thread, as if nothing else ran). A study may have
another size in a file beside its config: ``experiments/operators/config-large.yaml`` in place of the folder.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from hours import hours, seconds_per_token
from plan import Study, Training, read_config
from script import run_script
from shards import Shard, Shards
from training_loop import TrainingLoop

from nas_search.cli.console import stderr
from nas_search.cli.progress import progress_bar
from nas_search.profiler.device import resolve_device
from nas_search.profiler.versions import package_version
from nas_search.proxies.data import Corpus, load_corpus
from nas_search.search.executors.base import ExecutorFactory
from nas_search.search.executors.local import LocalExecutor
from nas_search.search.train_device import resolve_train_device

SHARDS_FOLDER = "trainings"


def main(arguments: Sequence[str], make_executor: ExecutorFactory = LocalExecutor) -> None:
    """Read the study, then list, estimate or train."""
    options = _parser().parse_args(arguments)
    config = read_config(options.study)
    corpus = load_corpus(config.data, config.tokenizer)
    study = Study(options.study, corpus.hash, resolve_train_device(options.device))
    shards = Shards(study.recorded / SHARDS_FOLDER)
    if options.list:
        show(study, shards)
    elif options.dry_run:
        estimate(study, shards, corpus, options.jobs)
    else:
        work = options.work or Path("runs", "studies", study.folder.resolve().name)
        train(study, shards, corpus, make_executor, work, options.jobs)


def train(study: Study, shards: Shards, corpus: Corpus, make_executor: ExecutorFactory, work: Path, jobs: int) -> None:
    """Until nothing is left, which may depend on what came out before."""
    machine = resolve_device(study.device).description
    loop = TrainingLoop(work, corpus, shards, machine, package_version("torch"))
    while missing := [training for training in study.trainings(shards.loss) if shards.get(training) is None]:
        with progress_bar(stderr(), "tokens") as report:
            loop.run(missing, make_executor, jobs, report, lambda shard: print(_line(shard), flush=True))
    print(f"{study.path}: all trainings are recorded; analyse.py says what they come to")


def show(study: Study, shards: Shards) -> None:
    """A line for each training that is known by now."""
    trainings = list(study.trainings(shards.loss))
    for training in trainings:
        shard = shards.get(training)
        print(_line(shard) if shard else f"{_name(training)}: not yet")
    done = sum(shards.get(training) is not None for training in trainings)
    print(f"{done} of {len(trainings)} trainings are done{_unknown(study, shards)}")


def estimate(study: Study, shards: Shards, corpus: Corpus, jobs: int) -> None:
    """The hours of what is left; while learning rates are not chosen, those of the reported trainings, too."""
    known = [training for training in study.trainings(shards.loss) if shards.get(training) is None]
    chosen = {member: study.training(member, study.config.seeds[0], shards.loss) for member in study.members}
    later = [study.swept(member)[0] for member, training in chosen.items() if training is None]
    later *= len(study.config.seeds)  # as long as any of the sweep
    with progress_bar(stderr(), "timing a few steps of each network") as report:
        rates = seconds_per_token([*known, *later], shards.seconds_per_token(), corpus, report)
    for architecture in dict.fromkeys(training.architecture for training in known):
        print(f"{1 / rates[architecture]:8,.0f} tokens/s  {architecture}")
    tokens = sum(training.work for training in [*known, *later])
    print(
        f"{len(known) + len(later)} trainings, {tokens:,.0f} tokens: about "
        f"{hours([*known, *later], rates, jobs):.2f} hours with {jobs} jobs"
    )


def _line(shard: Shard) -> str:
    training = shard.training
    scores = ", ".join(f"{scored.tokens:,}: {_loss(scored.bits_per_byte)}" for scored in shard.scores)
    seconds = sum(scored.seconds for scored in shard.scores)
    return f"{_name(training)}: bits per byte after {scores} ({seconds:.0f} s)"


def _name(training: Training) -> str:
    recipe = training.recipe
    normalised = ", weight normalisation" if recipe.weight_norm else ""
    return f"{training.architecture}, rate {recipe.learning_rate:g}{normalised}, seed {training.seed}"


def _loss(value: float | None) -> str:
    return "failed" if value is None else f"{value:.4f}"


def _unknown(study: Study, shards: Shards) -> str:
    unknown = [member for member in study.members if study.training(member, study.config.seeds[0], shards.loss) is None]
    return f"; {len(unknown)} more networks wait for their learning rate" if unknown else ""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path, help="the study's folder, or a config file in it")
    parser.add_argument("--jobs", type=_positive, default=2, help="processes of one thread each (default: 2)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where to train (default: cpu)")
    parser.add_argument("--work", type=Path, help="checkpoints (default: runs/studies/NAME)")
    modes = parser.add_mutually_exclusive_group()
    modes.add_argument("--list", action="store_true", help="print the trainings, train nothing")
    modes.add_argument("--dry-run", action="store_true", help="estimate the hours that are left, train nothing")
    return parser


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value}: at least 1")
    return value


if __name__ == "__main__":
    sys.exit(run_script(lambda: main(sys.argv[1:])))
