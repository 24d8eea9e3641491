"""The searches that are disturbed: tiny ones, with formulas for training and measuring or with the real thing."""

from __future__ import annotations

from cell import Kind

_EVOLUTION = {"sampler": "evolution", "sampler_options": {"population": 4, "sample_size": 2, "cycle": 1}}
_FAKE = {
    **_EVOLUTION, "train_device": "cpu", "trials": 8, "tokens": 9 * 2048, "lowest_rung": 2048, "workers": 2,
    "confirm_members": 2, "confirm_seeds": 2, "recipe": {"warmup_tokens": 512},
}  # fmt: skip
_REAL = {
    **_EVOLUTION, "train_device": "cpu", "trials": 3, "tokens": 3 * 2048, "lowest_rung": 2048, "workers": 1,
    "confirm_members": 1, "confirm_seeds": 1, "confirm_tokens": 2048,
    "recipe": {"sequence_length": 64, "batch": 4, "warmup_tokens": 512, "validation_tokens": 1024},
}  # fmt: skip
_FAKE_JOBS = {kind: f"fake_jobs:{kind}" for kind in ("train", "measure", "record_table")}
_QUICK_TABLE = {"record_table": "fake_jobs:quick_table"}

FAKE = Kind("fake", _FAKE, _FAKE_JOBS)
FAKE_RECORDING = Kind("fake, recording", _FAKE, _FAKE_JOBS, gives_table=False)
FAKE_ALONE = Kind("fake, one worker", {**_FAKE, "workers": 1}, _FAKE_JOBS)
REAL = Kind("real", _REAL, {})
REAL_RECORDING = Kind("real, recording", _REAL, _QUICK_TABLE, gives_table=False)
FAKE_SQLITE = Kind("fake, SQLite", _FAKE, _FAKE_JOBS)
FAKE_POSTGRESQL = Kind("fake, PostgreSQL", _FAKE, _FAKE_JOBS)
