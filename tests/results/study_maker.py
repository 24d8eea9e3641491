"""Real run directories, written with the search's own parts, with figures by formula."""

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from nas_search.profiler.calibrate import AffineFit
from nas_search.profiler.check import TableCheck
from nas_search.profiler.device import Device
from nas_search.profiler.measurement import Measurement
from nas_search.profiler.statistics import ClockName
from nas_search.profiler.table import LatencyTable, TableInfo, WorkloadRecord
from nas_search.search.config import SearchConfig
from nas_search.search.confirm import write_confirmations
from nas_search.search.journal import Candidate, Fate, Outcome, StudyJournal
from nas_search.search.samplers.base import distributions
from nas_search.search.study import Study
from nas_search.search.trial import Confirmation, SeedScore
from nas_search.space.architecture import Architecture
from nas_search.space.search_space import SearchSpace, load_space

LIMIT_MS = 1.0
WORKLOAD = "decode:256"
DEVICE = Device(name="cpu", fingerprint={"cpu": "Example CPU <16 cores> & more", "simd": "AVX2", "torch": "2.13.0"})
CHECK = TableCheck(
    n=50, clock="wall", mape_raw=0.31, mape_calibrated=0.043, mape_depth_only=0.081, mape_rerun=0.029,
    advantage_low=-0.051, advantage_high=-0.022, tau_calibrated=0.71, tau_depth_only=0.40, tau_rerun=0.80,
)  # fmt: skip


def make_study(
    folder: Path,
    *,
    proposals: int = 40,
    limit_ms: float | None = LIMIT_MS,
    confirm: bool = True,
    unfinished: bool = False,
    clock: ClockName = "wall",
    vocabulary: int = 256,
    corpus: str = "c0ffee" * 2,
    **fields: Any,
) -> Study:
    """A study of random members of the CPU space."""
    space = load_space("cpu").with_vocabulary(vocabulary)
    budget = None if limit_ms is None else f"{limit_ms}ms"
    settings = {"latency_budget": budget, "trials": max(1, proposals // 2), "proposals": proposals, **fields}
    config = SearchConfig.checked(settings).resolved()
    (folder / "config.yaml").write_text(config.to_yaml())
    (folder / "space.yaml").write_text(yaml.safe_dump(space.model_dump(mode="json"), sort_keys=False))
    _table(clock).save(folder / "table.parquet")
    journal = StudyJournal(folder / "study.journal", distributions(space.genes))
    journal.set_facts({
        "space": "s" * 16, "corpus": corpus, "table": "t" * 16, "limit_ms": limit_ms, "penalty_loss": 8.0,
        "versions": {"nas-search": "0.1.0", "torch": "2.13.0"},
    })  # fmt: skip
    for index, candidate in enumerate(_candidates(space, proposals, limit_ms)):
        trial = journal.create(index)
        journal.write_candidate(trial, candidate)
        if not (unfinished and index == proposals - 1):
            journal.tell(trial, candidate, _outcome(index, candidate))
    seconds = {"table": 95.2, "training": 612.8, "measuring": 41.0, "sampling": 1.3, "other": 4.1}
    events = [{"time": 0.0, "event": "seconds", "phase": name, "seconds": value} for name, value in seconds.items()]
    (folder / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    study = Study.open(folder)
    if confirm:
        confirm_front(study)
    return Study.open(folder)


def confirm_front(study: Study, seeds: Sequence[int] = (1, 2)) -> None:
    """Measured seven per cent slower than predicted, and trained longer."""
    tokens = study.config.confirm_tokens or 1
    write_confirmations(
        study.run_dir,
        {
            record.fingerprint: Confirmation(
                latency=measurement(1.07 * record.latency_ms),
                tokens=tokens,
                scores=tuple(
                    SeedScore(
                        seed=seed,
                        bits_per_byte=record.point[1] - 0.14 + 0.006 * seed,
                        weights=f"checkpoints/{record.fingerprint}-seed{seed}.safetensors",
                    )
                    for seed in seeds
                ),
            )
            for record in study.front()
        },
    )


def measurement(latency_ms: float, **fields: Any) -> Measurement:
    values = {
        "latency_ms": latency_ms, "low_ms": 0.99 * latency_ms, "high_ms": 1.012 * latency_ms, "n": 41,
        "wall_ms": latency_ms, "cpu_ms": latency_ms, "clock": "wall", "busy": False, "kernels": ("torch",),
        "device_id": DEVICE.id, "workload": WORKLOAD,
    }  # fmt: skip
    return Measurement.model_validate(values | fields)


def _table(clock: ClockName) -> LatencyTable:
    fit = AffineFit(offset_ms=0.0, slope=1.0, n=20)
    record = WorkloadRecord(calibration=fit, depth_only=fit, check=CHECK)
    info = TableInfo(
        device=DEVICE, clock=clock, busy=False, seed=0, kernels=("torch chunked",), seconds=9.0,
        workloads={WORKLOAD: record},
    )  # fmt: skip
    return LatencyTable(info, [])


def _candidates(space: SearchSpace, count: int, limit_ms: float | None) -> Iterator[Candidate]:
    rng = np.random.default_rng(7)
    seen: dict[str, int] = {}
    first = space.sample(rng)
    for number in range(count):
        genome = first if number in {0, count // 2} else space.sample(rng)
        architecture = space.decode(genome)
        latency_ms = _latency(architecture)
        fingerprint = architecture.fingerprint
        too_slow = limit_ms is not None and latency_ms > limit_ms
        twin = seen.get(fingerprint)
        fate: Fate = "duplicate" if twin is not None else "too_slow" if too_slow else "train"
        seen.setdefault(fingerprint, number)
        yield Candidate(
            genome=dict(zip((gene.name for gene in space.genes), genome, strict=True)),
            architecture=architecture.notation,
            fingerprint=fingerprint,
            parameters=architecture.parameters,
            latency_ms=latency_ms,
            over_limit_ms=None if limit_ms is None else latency_ms - limit_ms,
            fate=fate,
            twin=twin,
        )


def _outcome(index: int, candidate: Candidate) -> Outcome:
    architecture = Architecture.parse(candidate.architecture)
    too_slow = (candidate.over_limit_ms or 0.0) > 0
    if candidate.fate == "too_slow":
        return Outcome(state="too_slow", told_loss=8.0)
    loss = 2.9 - 0.16 * math.log(architecture.parameters / 2e4) + 0.03 * (index * 7919 % 13) / 13
    scores = (loss + 0.21, loss)
    if candidate.fate == "duplicate":
        return Outcome(state="duplicate", told_loss=loss, bits_per_byte=None if too_slow else loss)
    if index % 11 == 3:
        return Outcome(state="failed", told_loss=None, seconds=4.0, reason="loss not finite <at step 3> & stopped")
    if index % 3 == 1:
        return Outcome(
            state="stopped", told_loss=loss, bits_per_byte=loss, extrapolated=True, rung_scores=scores[:1], seconds=9.0
        )
    return Outcome(state="complete", told_loss=loss, bits_per_byte=loss, rung_scores=scores, seconds=27.5)


def _latency(architecture: Architecture) -> float:
    """Milliseconds: mostly depth, a little width."""
    cost = {"f": 0.05, "m2": 0.13, "d": 0.12, "a": 0.09, "swa": 0.1}
    return sum(cost[operator.code] for operator in architecture.operators) * (0.6 + architecture.width / 320)
