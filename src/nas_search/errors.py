"""The two ways a command can end badly: the input was wrong, or the run failed."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError

_DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})

MEND_IT = "the study is intact, mend that and run the same again"


class InputError(Exception):
    """Bad input by the user: one line that says what, where and what would be right (exit code 2)."""


class RunError(Exception):
    """The input was fine, but the run could not be completed (exit code 1)."""


def is_disk_full(error: OSError) -> bool:
    """Whether an error means that nothing more can be written."""
    return error.errno in _DISK_FULL


def system_refusal(error: OSError) -> str:
    """What the operating system refused, and at which file, without its number."""
    what = "disk full" if is_disk_full(error) else unreadable(error) or type(error).__name__
    return f"{error.filename}: {what}" if error.filename else what


def unreadable(error: OSError | ValueError) -> str:
    """Why a file cannot be read, without its name: in the system's words, or what is wrong with its text."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def first_line(error: Exception) -> str:
    """What an error of others is and says, without what stands below its first line."""
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {line}" if line else type(error).__name__


def first_problem(error: ValidationError) -> str:
    """The first thing that is wrong, as ``field: message, not value``."""
    problem = error.errors()[0]
    field = ".".join(map(str, problem["loc"]))
    message = problem["msg"].removeprefix("Value error, ").removeprefix("Input ")
    value = problem["input"]
    # Our own messages name the value; pydantic's do not.
    if isinstance(value, int | float) and not problem["msg"].startswith("Value error, "):
        message = f"{message}, not {value}"
    return f"{field}: {message}" if field else message
