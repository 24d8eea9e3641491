"""The entry point: one command line, one place where errors become messages and exit codes."""

import signal
import sys
import warnings
from threading import current_thread, main_thread

import typer

from nas_search.cli import (
    agreement,
    architecture,
    bench,
    compare,
    compare_runs,
    dashboard,
    data,
    devices,
    doctor,
    evaluate,
    export,
    law,
    plan,
    profile,
    recall,
    search,
    study,
    table,
    train,
)
from nas_search.errors import InputError, RunError, system_refusal
from nas_search.printable import printable

MOST_CHARACTERS = 4000
"""Of a message, which may repeat what it is about."""
EXIT_FAILED, EXIT_BAD_INPUT, EXIT_INTERRUPTED = 1, 2, 130

app = typer.Typer(
    name="nas-search",
    help="Search hybrid small language models for latency on a real device.",
    epilog="Without a command, nas-search runs the search with the options above.",
    no_args_is_help=False,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
search.register(app)
study.register(app)
compare_runs.register(app)
dashboard.register(app)
export.register(app)
train.register(app)
evaluate.register(app)
data.register(app)
architecture.register(app)
profile.register(app)
compare.register(app)
table.register(app)
law.register(app)
agreement.register(app)
recall.register(app)
bench.register(app)
plan.register(app)
devices.register(app)
doctor.register(app)


def main() -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 bad input, 130 interrupted."""
    warnings.showwarning = _show_warning
    # Whoever ends processes, a cluster say, wants what Ctrl-C does: workers that stop, and a word on how to go on.
    if current_thread() is main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(_run())


def _run() -> int:
    try:
        return app(standalone_mode=False) or 0
    except (KeyboardInterrupt, typer.Abort):
        return EXIT_INTERRUPTED
    except InputError as error:
        return _complain(str(error), EXIT_BAD_INPUT)
    except typer.TyperException as error:
        return _complain(error.format_message(), EXIT_BAD_INPUT)
    except BrokenPipeError:
        return EXIT_FAILED
    except (RunError, OSError) as error:
        return _complain(system_refusal(error) if isinstance(error, OSError) else str(error), EXIT_FAILED)


def _complain(message: str, code: int) -> int:
    print(f"nas-search: {printable(' '.join(message.split()))[:MOST_CHARACTERS]}", file=sys.stderr)
    return code


def _show_warning(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
    """One line, as for an error: where in the code a warning comes from says nothing to a user."""
    _complain(f"warning: {message}", 0)
