"""A dashboard asked without a browser, and runs as they are in the middle of a search."""

import json
import shutil
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple
from wsgiref.types import WSGIApplication
from wsgiref.util import setup_testing_defaults

from nas_search.results.dashboard.app import dashboard_app
from nas_search.results.dashboard.mirror import Mirror
from nas_search.search.study import Study


class Answer(NamedTuple):
    """What an application said."""

    status: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def ask(app: WSGIApplication, address: str, method: str = "GET", body: bytes = b"") -> Answer:
    path, _, query = address.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": BytesIO(body),
    }
    setup_testing_defaults(environ)
    said: list[Any] = []
    content = b"".join(app(environ, lambda status, headers, *_: said.extend((status, headers))))
    return Answer(said[0], dict(said[1]), content)


def detail(mirror: Mirror) -> Any:
    """All that the page knows of the study; a new application, since the dashboard keeps trials for seconds."""
    return ask(dashboard_app(mirror), f"/api/studies/{mirror.study_id}").json


def part_of(study: Study, folder: Path, lines: int) -> Path:
    """The run as it was when its journal had so many lines, and nothing was confirmed."""
    for name in ("config.yaml", "space.yaml", "table.parquet", "events.jsonl"):
        shutil.copy(study.run_dir / name, folder)
    journal = (study.run_dir / "study.journal").read_bytes().splitlines(keepends=True)
    (folder / "study.journal").write_bytes(b"".join(journal[:lines]))
    return folder
