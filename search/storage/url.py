"""The URL of a storage, and how its password is kept out of everything that is stored, printed or raised.

A configuration holds the URL without a password. That is remembered by this process alone, apart from it: workers,
which inherit the environment, need none. Without one here, PostgreSQL's own ways (PGPASSWORD, ~/.pgpass) give it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

from nas_search.errors import InputError

if TYPE_CHECKING:
    from sqlalchemy import URL

VARIABLE = "NAS_SEARCH_STORAGE"
"""The environment variable that gives the URL where ``--storage`` does not."""
FORMS = "postgresql://USER@HOST:PORT/DATABASE or sqlite:///FILE"
_DRIVERS = {"postgresql": "postgresql+psycopg", "postgresql+psycopg": "postgresql+psycopg", "sqlite": "sqlite"}
_SECRETS = frozenset({"password", "sslpassword"})
_passwords: dict[str, str] = {}
"""By URL without password. They are asked for again and again, by whoever opens a run directory."""


def public_url(text: str) -> str:
    """The URL without its password, which is remembered; of a file the full path.

    Raises InputError if it is no URL of a storage, without repeating a part that may be a password.
    """
    url = _parse(text)
    public = _public(url)
    if url.password:
        _passwords[public] = str(url.password)
    return public


def engine_url(public: str) -> str:
    """What SQLAlchemy connects to, for a URL from :func:`public_url`: with the driver's name, without the password."""
    url = _parse(public)
    return _plain(url.set(drivername=_DRIVERS[url.drivername]))


def password_of(public: str) -> str | None:
    """The password that was given with the URL, in this process or in the environment; None if there was none."""
    return _passwords.get(public) or _environment_password(public)


def file_of(public: str) -> Path | None:
    """The SQLite file, whose name is percent-encoded in the URL; None of a server."""
    url = _parse(public)
    return Path(str(url.database)) if url.drivername == "sqlite" else None


def described(public: str) -> str:
    """For messages: what kind of storage, where, and which database."""
    url = _parse(public)
    if url.drivername == "sqlite":
        return f"SQLite file {url.database}"
    host = url.host or str(url.query.get("host", "local socket"))
    return f"PostgreSQL at {host}:{url.port or url.query.get('port', 5432)}, database {url.database}"


def redacted(text: str) -> str:
    """A message of others in one line, with every known password blotted out, also where it is percent-encoded."""
    line = " ".join(text.split())
    secrets = {*_passwords.values(), *filter(None, [_environment_password(), os.environ.get("PGPASSWORD")])}
    forms = {form for secret in secrets for form in (secret, quote(secret, safe=""), quote_plus(secret))}
    for form in sorted(forms, key=len, reverse=True):
        line = line.replace(form, "***")
    return line


def _environment_password(public: str | None = None) -> str | None:
    """That of the URL in the environment, if it is of ``public`` or whatever it is of."""
    given = os.environ.get(VARIABLE)
    if not given:
        return None
    try:
        url = _parse(given)
    except InputError:
        return None
    same = public is None or _public(url) == public
    return str(url.password) if same and url.password else None


def _parse(text: str) -> URL:
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(text.replace("postgres://", "postgresql://", 1) if text.startswith("postgres://") else text)
    except (ArgumentError, ValueError):
        raise InputError(f"storage: not a URL; give {FORMS}") from None
    if url.drivername not in _DRIVERS:
        raise InputError(f"storage '{url.drivername}://...': unknown kind of storage; give {FORMS}")
    if not _SECRETS.isdisjoint(map(str.lower, url.query)):
        raise InputError("storage: a password among the URL's options; give it as USER:PASSWORD@HOST or in PGPASSWORD")
    if "@" in (url.host or "") or ("@" in (url.database or "") and url.drivername != "sqlite"):
        raise InputError("storage: more than one '@'; write one that is part of a password as %40")
    if not url.database or url.database == ":memory:":
        raise InputError(f"storage '{url.drivername}://...': no database; give {FORMS}")
    return _with_full_path(url) if url.drivername == "sqlite" else url


def _with_full_path(url: URL) -> URL:
    if url.host or url.username or url.query:
        raise InputError("storage: a SQLite URL is sqlite:///FILE, or sqlite:////FULL/PATH, and nothing else")
    return url.set(database=str(Path(str(url.database)).absolute()))


def _public(url: URL) -> str:
    """Without the password, which ``URL.set`` would not take away."""
    return _plain(type(url).create(url.drivername, url.username, None, url.host, url.port, url.database, url.query))


def _plain(url: URL) -> str:
    return url.render_as_string(hide_password=False)
