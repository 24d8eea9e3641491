"""Files that commands write."""

import os
from collections.abc import Iterable
from pathlib import Path

from nas_search.errors import InputError, RunError
from nas_search.files import write_text_atomic


def check_target(out: Path) -> None:
    """Raise InputError for what cannot become a file, before hours are spent on its content."""
    if not out.parent.is_dir():
        raise InputError(f"--out {out}: there is no folder {out.parent}")
    try:
        is_something_else = out.exists() and not out.is_file()
    except OSError as error:  # a name that is too long
        raise InputError(f"--out {str(out)[:200]}: {error.strerror}") from None
    if is_something_else:
        raise InputError(f"--out {out}: not a file that can be replaced; give the name of a new one")
    if not os.access(out.parent, os.W_OK):
        raise InputError(f"--out {out}: nothing can be written into {out.parent}")


def check_targets(outs: Iterable[Path], kinds: tuple[str, ...]) -> list[tuple[Path, str]]:
    """Each file with its suffix, which says what it will hold. Raises InputError unless that is one of ``kinds``."""
    targets = [(out, out.suffix.lower()) for out in outs]
    for out, kind in targets:
        if kind not in kinds:
            raise InputError(f"--out {out}: the name of a file that ends in {' or '.join(kinds)} is needed")
        check_target(out)
    return targets


def write_target(out: Path, text: str) -> None:
    """Write a file of ``--out``, whole or not at all. Raises RunError."""
    try:
        write_text_atomic(out, text)
    except OSError as error:
        raise RunError(f"--out {out}: cannot be written: {error.strerror or error}") from None
