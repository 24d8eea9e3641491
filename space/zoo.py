"""Published architectures by name, and whatever else a user may write where an architecture is asked for."""

from pathlib import Path

from nas_search.errors import InputError
from nas_search.space.architecture import Architecture
from nas_search.space.notation import NotationError
from nas_search.space.package_data import is_file_name, packaged_names, read_file, read_packaged, suggestion

ZOO_FOLDER = "zoo"


def zoo_names() -> tuple[str, ...]:
    """Names of the published architectures that come with the package."""
    return packaged_names(ZOO_FOLDER)


def load_zoo(name: str) -> Architecture:
    """A published architecture. Raises InputError, with the closest name."""
    if name not in zoo_names():
        raise InputError(f"no architecture '{name}' in the zoo; {suggestion(name, zoo_names())}")
    return Architecture.from_yaml(read_packaged(ZOO_FOLDER, name), name)


def resolve_architecture(text: str) -> Architecture:
    """From a notation, a name of the zoo, or the path of a YAML or JSON file.

    Raises InputError: for a file what is wrong in it, for a notation the column, for a name the closest ones.
    """
    stripped = text.strip()
    if stripped in zoo_names():
        return load_zoo(stripped)
    if is_file_name(stripped):
        return Architecture.from_yaml(read_file(Path(stripped)), stripped)
    try:
        return Architecture.parse(stripped)
    except NotationError:
        if _looks_like_notation(stripped):
            raise
        raise InputError(
            f"'{text}' is no notation (such as 'w256 (d f m2 f)x2'), no file (.yaml, .json) and no architecture "
            f"of the zoo; {suggestion(stripped, zoo_names())}"
        ) from None


def _looks_like_notation(text: str) -> bool:
    """Notation has a width first and then operators, so more than one word."""
    return len(text.split()) > 1 or "(" in text
