"""Takes a database away for a while: ``occupy.py KIND SECONDS MARK``; ``MARK`` is made as soon as it is away."""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from pathlib import Path

TESTS = Path(__file__).parents[3] / "tests"


def main(kind: str, seconds: float, mark: Path) -> None:
    """Stop the server, or lock the file, and give it back."""
    if kind == "server":
        sys.path.append(str(TESTS))
        from postgres import Server

        binaries, folder, port = os.environ["NAS_SEARCH_SERVER"].split("|")
        server = Server(Path(binaries), Path(folder), int(port))
        server.stop()
        mark.touch()
        time.sleep(seconds)
        server.start()
        return
    file = os.environ["NAS_SEARCH_STORAGE"].removeprefix("sqlite:///")
    connection = sqlite3.connect(file, timeout=60, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    mark.touch()
    time.sleep(seconds)
    connection.execute("ROLLBACK")


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), Path(sys.argv[3]))
