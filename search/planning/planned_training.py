"""Training that is only planned: jobs take the seconds, and give the losses, that a model says."""

from __future__ import annotations

from functools import lru_cache

from nas_search.proxies.recipe import TrainingRecipe
from nas_search.proxies.rung_result import RungResult
from nas_search.search.jobs import Job
from nas_search.search.planning.rates import work_tokens
from nas_search.search.planning.training_model import TrainingModel
from nas_search.search.rungs import Ladder
from nas_search.search.training import confirm_job_name, rung_job_name
from nas_search.space.architecture import Architecture


class PlannedTraining:
    """What a search asks of training; a rung has its result once its job is finished."""

    def __init__(self, model: TrainingModel, ladder: Ladder, recipe: TrainingRecipe) -> None:
        self._model, self._ladder, self._recipe = model, ladder, recipe
        self._work = ladder.work(recipe.decay_share)
        self._done: dict[str, int] = {}

    @property
    def ladder(self) -> Ladder:
        """The rungs."""
        return self._ladder

    def rung_job(self, architecture: str, fingerprint: str, rung: int, seed: int) -> Job:
        """Train a candidate up to ``rung``."""
        return _job(rung_job_name(fingerprint, rung), architecture, fingerprint, rung, self._work[rung])

    def confirm_job(self, architecture: str, fingerprint: str, tokens: int, seed: int) -> Job:
        """Train a member of the front from scratch."""
        return _job(confirm_job_name(fingerprint, tokens, seed), architecture, fingerprint, self._ladder.top, tokens)

    def seconds(self, job: Job) -> float:
        """How long a job takes."""
        arguments = job.arguments
        each = self._model.seconds_per_token(_network(arguments["architecture"]), arguments["fingerprint"])
        return each * work_tokens(arguments["tokens"], self._recipe)

    def finish(self, job: Job) -> None:
        """A job is done."""
        self._done[job.arguments["fingerprint"]] = job.arguments["rung"]

    def result(self, job: Job) -> RungResult | None:
        """The result of a job that is done."""
        fingerprint, rung = job.arguments["fingerprint"], job.arguments["rung"]
        if self._done.get(fingerprint, -1) < rung:
            return None
        tokens = self._ladder.tokens[rung]
        share = tokens / self._ladder.tokens[-1]
        loss = self._model.loss(_network(job.arguments["architecture"]), fingerprint, share)
        return RungResult(rung=rung, tokens=tokens, bits_per_byte=loss, seconds=self.seconds(job), curve=[])

    def forget(self, job: Job) -> None:
        """Drop the results of a job's candidate."""
        self._done.pop(job.arguments["fingerprint"], None)


def _job(name: str, architecture: str, fingerprint: str, rung: int, tokens: float) -> Job:
    arguments = {"architecture": architecture, "fingerprint": fingerprint, "rung": rung, "tokens": tokens}
    return Job(name=name, kind="train", arguments=arguments)


@lru_cache(maxsize=4096)
def _network(architecture: str) -> Architecture:
    return Architecture.parse(architecture)
