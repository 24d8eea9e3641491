import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "simulation")]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/studies.db"
    name = f"study{request.node.nodeid.__hash__() % 10**12}"
    return str(request.getfixturevalue("postgres").create(name))


@pytest.fixture(autouse=True)
def disks_are_not_waited_for() -> Iterator[None]:
    """What a killed process wrote stays; only power cuts differ."""

    def relax(connection: Any, record: Any) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA synchronous=OFF")

    event.listen(Engine, "connect", relax)
    yield
    event.remove(Engine, "connect", relax)
