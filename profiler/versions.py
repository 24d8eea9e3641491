"""Versions of installed packages."""

from importlib.metadata import PackageNotFoundError, version


def package_version(name: str) -> str:
    """The installed version of a package, or ``none``; does not import it."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"
