"""``nas-search data``: text of any size, made into shards of tokens once."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from nas_search.cli.console import Json, print_json, stderr, stdout
from nas_search.cli.group import add_group
from nas_search.cli.progress import progress_bar

if TYPE_CHECKING:
    from nas_search.proxies.shards.index import ShardIndex

_MEGABYTE = 1_000_000


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    about = "Text of any size as shards of tokens, for --data."
    add_group(app, "data", about, [prepare, show], "say what to do: prepare or show")


def prepare(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILES...",
            help="JSONL (also .gz, .zst), parquet, Arrow or text files, folders of them, or 'embedded'.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the shards; what was begun there goes on.")],
    tokenizer: Annotated[str, typer.Option(help="'bytes', or 'bpe:N' for N tokens learned from the text.")] = "bytes",
    text_field: Annotated[str, typer.Option(help="Field or column that has the text.")] = "text",
    held_out: Annotated[float, typer.Option(help="Share of the documents to validate on.")] = 0.01,
    json: Json = False,
) -> None:
    """Tokenise text into a folder that searches and trainings map into memory."""
    from nas_search.proxies.data import default_cache_dir
    from nas_search.proxies.shards.check import remember_checked
    from nas_search.proxies.shards.prepare import prepare_shards
    from nas_search.proxies.shards.state import check_out
    from nas_search.search.lock import RunLock

    console = stderr()
    check_out(out)
    lock = out.with_name(f".{out.name}.lock")
    with RunLock(lock, "preparation"):
        try:
            with _megabytes(console, "preparing") as progress:
                index = prepare_shards(
                    files,
                    out,
                    tokenizer=tokenizer,
                    field=text_field,
                    held_out=held_out,
                    progress=progress,
                    note=lambda text: console.print(text, markup=False),
                )
        except KeyboardInterrupt:
            console.print(_interrupted(out), markup=False)
            raise
        finally:
            lock.unlink(missing_ok=True)
    remember_checked(out, index, default_cache_dir())
    _tell(index, out, json)


def show(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="What 'nas-search data prepare' wrote.")],
    json: Json = False,
) -> None:
    """Show what a folder of shards holds, after checking that its files are what they were."""
    from nas_search.proxies.data import default_cache_dir
    from nas_search.proxies.shards.check import check_contents, check_sizes
    from nas_search.proxies.shards.index import ShardIndex

    index = ShardIndex.read(folder)
    check_sizes(folder, index)
    with _megabytes(stderr(), "checking") as progress:
        check_contents(folder, index, default_cache_dir(), progress)
    _tell(index, folder, json)


@contextmanager
def _megabytes(console: Console, description: str) -> Iterator[Callable[[int, int], None]]:
    """A bar as a callable that takes bytes."""
    with progress_bar(console, f"{description} (MB)") as progress:
        yield lambda done, total: progress(done // _MEGABYTE, max(1, total // _MEGABYTE))


def _interrupted(out: Path) -> str:
    from nas_search.proxies.shards.index import is_shard_folder

    if is_shard_folder(out):
        return "Interrupted. The same command goes on behind the last complete shard."
    return "Interrupted. No shard was complete, so nothing is kept."


def _tell(index: "ShardIndex", folder: Path, json: bool) -> None:
    if json:
        print_json({**_document(index), "folder": str(folder)})
        return
    console = stdout()
    for name, value in _rows(index):
        console.print(f"{name}: {value}", markup=False)
    console.print(str(folder), markup=False)


def _document(index: "ShardIndex") -> dict[str, Any]:
    sides = {"train_tokens": index.train_tokens, "validation_tokens": index.validation_tokens}
    return {**index.model_dump(mode="json"), **sides, "corpus": index.hash}


def _rows(index: "ShardIndex") -> list[tuple[str, str]]:
    shards = f"{len(index.train)} shard{'s' if len(index.train) > 1 else ''}"
    empty = f", {index.empty:,} empty ones left out" if index.empty else ""
    return [
        ("text", f"{index.name}, {index.documents:,} documents{empty}"),
        ("tokenizer", f"{index.tokenizer}, {index.vocabulary:,} different tokens as {index.dtype}"),
        ("to train on", f"{index.train_tokens:,} tokens in {shards}"),
        ("held out", f"{index.validation_tokens:,} tokens ({100 * index.held_out:g}% of documents were asked for)"),
        ("bytes per token", f"{index.bytes_per_token:.3f} (n = {index.validation_tokens:,} held-out tokens)"),
        ("corpus", index.hash),
    ]
