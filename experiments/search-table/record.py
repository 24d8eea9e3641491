"""Train random members of the cpu space, all to the top, and keep their losses at every rung: a table to search in.

    python experiments/search-table/record.py --out DIR [--count 200] [--workers 2]

Run it again to go on where it was interrupted. What is complete stands in ``recorded/losses.csv``, one line for each
architecture in the order of sampling. Latencies are no part of it: ``table.py`` adds them.
"""

import argparse
import csv
import io
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from nas_search.cli.console import stderr
from nas_search.cli.progress import progress_bar
from nas_search.files import write_text_atomic
from nas_search.proxies.data import Corpus, load_corpus
from nas_search.proxies.recipe import TrainingRecipe
from nas_search.proxies.rung_result import RungResult
from nas_search.search.executors.base import JobFinished
from nas_search.search.executors.local import LocalExecutor
from nas_search.search.jobs import Job
from nas_search.search.rungs import Ladder
from nas_search.search.training import Training
from nas_search.space.architecture import Architecture
from nas_search.space.genome import Genome
from nas_search.space.search_space import SearchSpace, load_space

RECORDED = Path(__file__).parent / "recorded" / "losses.csv"
LADDER = Ladder.build(393_216, 14_000)
SEED = 0


def members(space: SearchSpace, count: int) -> dict[str, tuple[Genome, Architecture]]:
    """The first ``count`` different members that are drawn, by fingerprint; more of them begin with the same."""
    rng = np.random.default_rng(SEED)
    found: dict[str, tuple[Genome, Architecture]] = {}
    while len(found) < count:
        genome = space.canonical(space.sample(rng))
        architecture = space.decode(genome)
        found.setdefault(architecture.fingerprint, (genome, architecture))
    return found


class Recording:
    """The training of all members, rung by rung, as many at a time as there are workers."""

    def __init__(self, out: Path, corpus: Corpus, space: SearchSpace, count: int) -> None:
        self.training = Training(out, corpus.path, TrainingRecipe.model_validate({}), LADDER, "cpu")
        self.members, self.space, self.corpus = members(space, count), space, corpus

    def run(self, workers: int) -> None:
        """Train what has not been trained, and write the table whenever a member is complete."""
        waiting = iter([name for name in self.members if not self._complete(name)])
        with (
            closing(LocalExecutor(self.training.run_dir, workers)) as executor,
            progress_bar(stderr(), "members") as progress,
        ):
            running = {name: self._next_job(name) for name in islice(waiting, workers)}
            for job in running.values():
                executor.submit(job)
            while running:
                for event in executor.wait(1.0):
                    if not isinstance(event, JobFinished):
                        continue
                    name = next(name for name, job in running.items() if job.name == event.name)
                    del running[name]
                    if event.failure is not None:
                        event.failure.raise_unless_its_own()
                        raise RuntimeError(f"{self.members[name][1].notation}: {event.failure.reason}")
                    if self._complete(name):
                        self.training.forget(self._job(name, LADDER.top))
                        self.write()
                        progress(sum(map(self._complete, self.members)), len(self.members))
                    following = name if not self._complete(name) else next(waiting, None)
                    if following is not None:
                        running[following] = self._next_job(following)
                        executor.submit(running[following])

    def write(self) -> None:
        """The lines of all members that are complete."""
        genes = [gene.name for gene in self.space.genes]
        tokens = [str(budget) for budget in LADDER.tokens]
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(
            [*genes, "architecture", "parameters"]
            + [f"bits_per_byte_{budget}" for budget in tokens]
            + [f"seconds_{budget}" for budget in tokens]
        )
        for name, (genome, architecture) in self.members.items():
            rungs = self._rungs(name)
            if len(rungs) == len(LADDER.tokens):
                losses = [f"{rung.bits_per_byte:.6f}" for rung in rungs]
                seconds = [f"{rung.seconds:.3f}" for rung in rungs]
                writer.writerow([*genome, architecture.notation, architecture.parameters, *losses, *seconds])
        RECORDED.parent.mkdir(exist_ok=True)
        write_text_atomic(RECORDED, text.getvalue())

    def _next_job(self, name: str) -> Job:
        return self._job(name, len(self._rungs(name)))

    def _job(self, name: str, rung: int) -> Job:
        return self.training.rung_job(self.members[name][1].notation, name, rung, SEED)

    def _rungs(self, name: str) -> list[RungResult]:
        rungs: list[RungResult] = []
        for rung in range(len(LADDER.tokens)):
            result = self.training.result(self._job(name, rung))
            if result is None:
                break
            rungs.append(result)
        return rungs

    def _complete(self, name: str) -> bool:
        return len(self._rungs(name)) == len(LADDER.tokens)


def main(arguments: Any) -> None:
    corpus = load_corpus("embedded", "bytes")
    space = load_space("cpu").with_vocabulary(corpus.vocabulary)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "jobs").mkdir(exist_ok=True)
    recording = Recording(arguments.out, corpus, space, arguments.count)
    recording.run(arguments.workers)
    recording.write()
    print(f"{RECORDED}: {arguments.count} architectures, text {corpus.hash}, seed {SEED}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="where checkpoints and results are kept")
    parser.add_argument("--count", type=int, default=200, help="members (default: 200)")
    parser.add_argument("--workers", type=int, default=2, help="processes (default: 2)")
    main(parser.parse_args())
