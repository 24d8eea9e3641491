"""What a benchmark is asked to do, and the jobs that follow from it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from nas_search.errors import InputError
from nas_search.profiler.versions import package_version
from nas_search.search.bench.names import PEERS, check_contestant
from nas_search.search.bench.table_file import TableColumns
from nas_search.search.jobs import Job
from nas_search.search.samplers import names as sampler_names

PACKAGES = ("nas-search", "numpy", "scipy", "optuna", "moocore", "torch", "pymoo")


class BenchSetting(BaseModel):
    """Columns of a table, who takes part, and for how many evaluations, seeds and simulated workers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    genes: tuple[str, ...] = Field(min_length=1)
    loss: str
    latency: str
    cost: str | None = None
    features: tuple[str, ...] = ()
    samplers: tuple[str, ...] = Field(min_length=1)
    trials: int = Field(ge=1)
    seeds: int = Field(ge=2)
    workers: int = Field(1, ge=1)

    @property
    def columns(self) -> TableColumns:
        """Those of the table that are asked for."""
        return TableColumns(self.genes, self.loss, self.latency, self.cost, self.features)

    def check(self, rows: int) -> None:
        """Raise InputError unless all samplers are there, each once, and the table has enough ``rows``."""
        for name in self.samplers:
            check_contestant(name)
        twice = next((name for name in self.samplers if self.samplers.count(name) > 1), None)
        if twice is not None:
            raise InputError(f"sampler {twice}: given twice")
        if self.trials > rows:
            raise InputError(f"{self.trials} trials: the table has only {rows} rows")

    def jobs(self, table: str) -> Iterator[tuple[str, Job]]:
        """One replay for each sampler and seed, with its sampler; ``table`` is the file's name in the folder.

        A job's name and arguments hold everything that its result depends on.
        """
        for seed in range(self.seeds):
            for sampler in self.samplers:
                yield sampler, self._job(table, sampler, seed)

    def _job(self, table: str, sampler: str, seed: int) -> Job:
        arguments: dict[str, Any] = {
            "table": table,
            **self.model_dump(mode="json", exclude={"samplers", "seeds"}),
            "sampler": sampler,
            "seed": seed,
            "versions": versions(),
            "source": None if sampler in PEERS else source_hash(),
        }
        identity = hashlib.sha256(repr(sorted(arguments.items())).encode()).hexdigest()
        return Job(name=f"{sampler}-{seed}-{identity[:10]}", kind="replay", arguments=arguments)


def versions() -> dict[str, str]:
    """Installed versions of whatever decides what is proposed."""
    return {name: package_version(name) for name in PACKAGES}


@cache
def source_hash() -> str:
    """Of the sources of our samplers and ablations: a version of ours may have been edited."""
    folders = (Path(sampler_names.__file__).parent, Path(__file__).parent / "ablations")
    sources = [path for folder in folders for path in sorted(folder.rglob("*.py"))]
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()[:16]
