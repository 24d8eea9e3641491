"""A PostgreSQL server of our own, for tests and experiments: a private cluster that ends with whoever started it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_BINARIES = Path("/usr/lib/postgresql")
_UNPRIVILEGED = ("postgres", "nobody")
USER, PASSWORD = "searcher", "s3cret/pa:ss"


@dataclass(frozen=True)
class Server:
    """A cluster on a loopback port; ``USER`` may do anything there, by ``PASSWORD``."""

    binaries: Path
    folder: Path
    port: int

    def url(self, database: str, password: str | None = PASSWORD) -> str:
        """Of a database, with a password unless it is None."""
        from urllib.parse import quote

        secret = "" if password is None else ":" + quote(password, safe="")
        return f"postgresql://{USER}{secret}@127.0.0.1:{self.port}/{database}"

    def create(self, database: str) -> str:
        """A new database; returns its URL."""
        import psycopg

        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{database}"'.encode())
        return self.url(database)

    def start(self) -> None:
        """Start it, and wait until it answers; nothing needs to outlive this machine, so disks are not waited for.

        Raises CalledProcessError if it does not start.
        """
        options = f"-F -p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder}"
        self._control("start", "-w", "-l", str(self.folder / "log"), "-o", options)

    def stop(self) -> None:
        """Stop it at once, cutting all connections."""
        self._control("stop", "-m", "fast")

    def _control(self, *arguments: str) -> None:
        _run(self.binaries / "pg_ctl", "-D", str(self.folder / "data"), *arguments)


def server_binaries() -> Path | None:
    """The folder with ``initdb`` and ``pg_ctl``, of the newest version that is installed."""
    found = sorted(_BINARIES.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


@contextmanager
def private_server(binaries: Path) -> Iterator[Server]:
    """A running cluster in a temporary folder, gone in the end."""
    folder = Path(tempfile.mkdtemp(prefix="nas-search-postgres-"))
    server = Server(binaries, folder, _free_port())
    try:
        if (user := _user()) is not None:
            shutil.chown(folder, user)
        secret = folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        names = ["-U", USER, "--pwfile", str(secret), "-A", "scram-sha-256"]
        _run(binaries / "initdb", "-D", str(folder / "data"), "-E", "UTF8", "--locale=C", *names)
        server.start()
        yield server
    finally:
        subprocess.run(
            [str(binaries / "pg_ctl"), "-D", str(folder / "data"), "stop", "-m", "immediate"],
            user=_user(), cwd=folder, check=False, capture_output=True,
        )  # fmt: skip
        time.sleep(0.1)
        shutil.rmtree(folder, ignore_errors=True)


def _run(program: Path, *arguments: str) -> None:
    """As somebody who is not root, whom PostgreSQL refuses. What a server inherits must not hold our pipes open."""
    subprocess.run(
        [str(program), *arguments],
        user=_user(), cwd="/", check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip


def _user() -> str | None:
    import pwd

    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in _UNPRIVILEGED if name in names)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
