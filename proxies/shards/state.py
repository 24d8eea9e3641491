"""How far a preparation has come, so that it can go on."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from nas_search.errors import InputError
from nas_search.files import write_text_atomic
from nas_search.proxies.shards.index import INDEX_FILE, STATE_FILE, Shard, is_shard_folder


class Request(BaseModel):
    """What was asked for. ``files`` is a hash of the files' names, not of what is in them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    files: str
    tokenizer: str
    tokenizer_hash: str
    field: str
    held_out: float
    shard_tokens: int


class State(BaseModel):
    """What stands in complete shards: ``read`` documents, whose texts have the hash ``chain``.

    The first ``validation_tokens`` of the held-out file belong to them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    request: Request
    read: int = 0
    chain: str = ""
    documents: int = 0
    empty: int = 0
    validation_tokens: int = 0
    validation_bytes: int = 0
    train: tuple[Shard, ...] = ()

    def write(self, folder: Path) -> None:
        """Write the state into ``folder``. Raises OSError."""
        write_text_atomic(folder / STATE_FILE, self.model_dump_json(indent=1) + "\n")


def leftovers(out: Path) -> set[Path]:
    """Temporary files of a process that was killed while it wrote."""
    return {path for name in (STATE_FILE, INDEX_FILE) for path in out.glob(f".{name}.*")}


def check_out(out: Path) -> None:
    """Raise InputError unless ``out`` is new or empty, or holds a preparation that was interrupted."""
    if (out / INDEX_FILE).exists():
        raise InputError(f"{out}: holds prepared data already; give another folder")
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: a file; give a folder for the shards")
    if out.is_dir() and not is_shard_folder(out) and set(out.iterdir()) - leftovers(out):
        raise InputError(f"{out}: not empty and not an interrupted preparation; give another folder")
    if not out.parent.is_dir():
        raise InputError(f"{out}: there is no folder {out.parent}")
    if not os.access(out.parent, os.W_OK):
        raise InputError(f"{out}: nothing can be written into {out.parent}")


def read_state(out: Path, request: Request) -> State:
    """Where the preparation in ``out`` stopped, or the start of a new one.

    Raises InputError if it was begun with something else.
    """
    path = out / STATE_FILE
    if not path.exists():
        return State(request=request)
    try:
        state = State.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        raise InputError(f"{path}: damaged; delete the folder and begin anew") from None
    for name in Request.model_fields:
        if getattr(state.request, name) != getattr(request, name):
            raise InputError(f"{out}: begun with another {name.replace('_', ' ')}; give the same or another folder")
    return state
