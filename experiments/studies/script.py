"""How a script of a study ends: as the command line does, with one line for what is wrong."""

from __future__ import annotations

import sys
from collections.abc import Callable

from nas_search.errors import InputError, RunError

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130


def run_script(main: Callable[[], object]) -> int:
    """The exit code: 0 done, 1 failed, 2 bad input, 130 interrupted."""
    try:
        main()
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return INTERRUPTED
    except (InputError, RunError) as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return BAD_INPUT if isinstance(error, InputError) else FAILED
    return 0
