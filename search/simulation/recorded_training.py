"""Training that was done long ago: its losses and seconds are in a table."""

from __future__ import annotations

from math import isnan

from nas_search.proxies.rung_result import RungResult
from nas_search.search.jobs import Job
from nas_search.search.problem import FloatArray
from nas_search.search.rungs import Ladder


class RecordedTraining:
    """What a search asks of training, for rows of a table; a rung has its result once its job is finished."""

    def __init__(self, ladder: Ladder, losses: FloatArray, seconds: FloatArray) -> None:
        """``losses`` and ``seconds`` [rows, rungs]; without a loss (NaN) training failed."""
        self._ladder, self._losses, self._seconds = ladder, losses, seconds
        self._results: dict[int, list[RungResult]] = {}

    @property
    def ladder(self) -> Ladder:
        """The rungs."""
        return self._ladder

    def rung_job(self, architecture: str, fingerprint: str, rung: int, seed: int) -> Job:
        """Train the row ``fingerprint`` up to ``rung``; a table has one training of each, whatever the seed."""
        return Job(name=f"{fingerprint}-rung{rung}", kind="train", arguments={"row": int(fingerprint), "rung": rung})

    def seconds(self, job: Job) -> float:
        """How long a job takes."""
        return float(self._seconds[job.arguments["row"], job.arguments["rung"]])

    def finish(self, job: Job) -> None:
        """A job is done."""
        self._results.setdefault(job.arguments["row"], []).append(self._result(job))

    def result(self, job: Job) -> RungResult | None:
        """The result of a job that is done."""
        done = self._results.get(job.arguments["row"], [])
        return next((result for result in done if result.rung == job.arguments["rung"]), None)

    def forget(self, job: Job) -> None:
        """Drop the results of a job's row."""
        self._results.pop(job.arguments["row"], None)

    def _result(self, job: Job) -> RungResult:
        row, rung = job.arguments["row"], job.arguments["rung"]
        loss = float(self._losses[row, rung])
        missing = isnan(loss)
        return RungResult(
            rung=rung,
            tokens=self._ladder.tokens[rung],
            bits_per_byte=None if missing else loss,
            seconds=self.seconds(job),
            curve=[],
            failure="the table has no loss" if missing else None,
        )
