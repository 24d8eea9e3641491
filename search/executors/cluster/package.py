"""Our own code for workers that may have none: the installed package as plain files."""

from __future__ import annotations

import shutil
from pathlib import Path

import nas_search


def copy_package(folder: Path) -> Path:
    """Copy the package into ``folder``: Ray packs what it is given without following links, which a checkout has."""
    target = folder / nas_search.__name__
    source = Path(nas_search.__path__[0])
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    return target
