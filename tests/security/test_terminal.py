"""Names of others on a terminal: they move no cursor, take no colour, and hide nothing."""

import io
import sys
from pathlib import Path

import pytest
from rich.table import Table

from nas_search.cli.console import PlainConsole
from nas_search.cli.main import MOST_CHARACTERS, main
from nas_search.cli.progress import bars
from nas_search.printable import MARK, printable

HOSTILE = "\x1b]0;title\x07\x1b[2J\x9b31m\x08\x7f\u202egnp.exe\u2028"


def command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["nas-search", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_what_a_terminal_acts_on_is_marked() -> None:
    assert printable("w64 (a f)x2, é, 中\n\tx") == "w64 (a f)x2, é, 中\n\tx"
    shown = printable(HOSTILE)
    assert shown.count(MARK) == 8 and shown.isprintable()


def test_a_console_shows_text_as_it_is() -> None:
    console = PlainConsole(stderr=False, width=80)
    console.file = io.StringIO()
    table = Table("name")
    table.add_row(f"{HOSTILE}[red]red[/red] :smile: a[heads=4]")
    console.print(table)
    console.print(f"{HOSTILE} [bold]not bold[/bold]")
    shown = console.file.getvalue()
    assert not any(character in shown for character in HOSTILE if not character.isprintable())
    assert "[red]red[/red] :smile: a[heads=4]" in shown and "[bold]not bold[/bold]" in shown


def test_a_bar_shows_text_as_it_is() -> None:
    console = PlainConsole(stderr=False, width=120)
    console.file = io.StringIO()
    progress = bars(console)
    progress.add_task("[red]x", total=2, text=f"w64 a[heads=4] {MARK}\x1b[2J")
    console.print(progress.get_renderable())
    shown = console.file.getvalue()
    assert "w64 a[heads=4]" in shown and "[red]x" in shown and "\x1b[2J" not in shown


def test_an_error_is_one_line_that_does_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for text in (HOSTILE, "a\nb", f"w64 {'z' * 100_000}"):
        assert command(monkeypatch, "show", text) == 2
        shown = capsys.readouterr().err
        assert shown.count("\n") == 1 and len(shown) < MOST_CHARACTERS + 50
        assert shown.strip().isprintable()


def test_a_run_of_others_in_a_terminal(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = run / "study.journal"
    spoiled = journal.read_text().replace("w64 (d f m2 f)x2 (d f)x3", "w64 (d f m2 f)x2 (d f)x3\\u001b[2J[red]")
    journal.write_text(spoiled)
    command(monkeypatch, "front", str(run))
    shown = capsys.readouterr()
    assert "\x1b" not in shown.out + shown.err
