"""What several drivers agree on beside the study: small tables of our own in the same database.

``drivers`` says who is at work and until when he is believed to be, by the database's clock. ``leases`` says who has
something of a study that only one may have at a time. ``trials`` says whose each trial is, ``architectures`` which
trial an architecture belongs to, and ``files`` holds what a study needs beside its trials.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Engine,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    cast,
    extract,
    func,
)
from sqlalchemy.dialects import postgresql, sqlite

METADATA = MetaData()
_NAME = String(512)

DRIVERS = Table(
    "nas_search_drivers",
    METADATA,
    Column("driver", String(36), primary_key=True),
    Column("study", _NAME, index=True, nullable=False),
    Column("identity", Text, nullable=False),
    Column("run_dir", Text, nullable=False),
    Column("expires", Float(53), nullable=False),
)
LEASES = Table(
    "nas_search_leases",
    METADATA,
    Column("study", _NAME, primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("driver", String(36), nullable=False),
)
TRIALS = Table(
    "nas_search_trials",
    METADATA,
    Column("trial_id", Integer, primary_key=True, autoincrement=False),
    Column("study_id", Integer, index=True, nullable=False),
    Column("driver", String(36), nullable=False),
)
ARCHITECTURES = Table(
    "nas_search_architectures",
    METADATA,
    Column("study_id", Integer, primary_key=True, autoincrement=False),
    Column("fingerprint", String(128), primary_key=True),
    Column("number", Integer, nullable=False),
)
FILES = Table(
    "nas_search_files",
    METADATA,
    Column("study_id", Integer, primary_key=True, autoincrement=False),
    Column("name", String(64), primary_key=True),
    Column("content", LargeBinary, nullable=False),
)
OF_A_STUDY = (TRIALS, ARCHITECTURES, FILES)


def upsert(engine: Engine, table: Table) -> Any:
    """An ``INSERT`` that can say what to do ON CONFLICT; both databases have it, each by its own class."""
    return (postgresql if engine.dialect.name == "postgresql" else sqlite).insert(table)


def now(engine: Engine) -> ColumnElement[float]:
    """Seconds since 1970 by the database's clock."""
    if engine.dialect.name == "postgresql":
        return cast(extract("epoch", func.clock_timestamp()), Float(53))
    return (func.julianday("now") - 2440587.5) * 86400.0
