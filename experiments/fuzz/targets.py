"""All targets by name. Their shares follow their speed: the slow ones get few inputs."""

from __future__ import annotations

import of_files
import of_runs
import of_tables
import of_texts
from target import Target

TARGETS: dict[str, Target] = {
    target.name: target for target in (*of_texts.TARGETS, *of_tables.TARGETS, *of_runs.TARGETS, *of_files.TARGETS)
}
