"""YAML files that come with the package, and files of the user's that stand in for them."""

from difflib import get_close_matches
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from nas_search.errors import InputError
from nas_search.yaml_text import read_text

FILE_SUFFIXES = (".yaml", ".yml", ".json")


def packaged_names(folder: str) -> tuple[str, ...]:
    """Names, without suffix, of the YAML files in a folder of this package."""
    names = (entry.name for entry in _folder(folder).iterdir())
    return tuple(sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml")))


def read_packaged(folder: str, name: str) -> str:
    """The text of one of :func:`packaged_names`."""
    return (_folder(folder) / f"{name}.yaml").read_text(encoding="utf-8")


def is_file_name(text: str) -> bool:
    """Whether ``text`` is meant as a YAML or JSON file."""
    return text.lower().endswith(FILE_SUFFIXES)


def read_file(path: Path) -> str:
    """The text of a user's YAML or JSON file. Raises InputError that names the file."""
    try:
        return read_text(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text (byte {error.start})") from None


def suggestion(name: str, names: tuple[str, ...]) -> str:
    """``did you mean 'x'?``, or all names where none is close."""
    close = get_close_matches(name.lower(), names, n=1)
    return f"did you mean '{close[0]}'?" if close else f"there are {', '.join(names)}"


def _folder(folder: str) -> Traversable:
    return files("nas_search.space") / folder
