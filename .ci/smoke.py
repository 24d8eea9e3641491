"""A small real search through the installed command, then a second command that resumes it and one that fails."""

import json
import subprocess
import sys
from pathlib import Path

SEARCH = ["nas-search", "--device", "cpu", "--trials", "4", "--tokens", "12288", "--workload", "decode:64", "--json"]


def run(*arguments: str, expected: int = 0) -> str:
    """The last line of the command's output; the command must end with ``expected``."""
    done = subprocess.run(arguments, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != expected:
        sys.exit(f"{' '.join(arguments)}: exit code {done.returncode}, expected {expected}")
    return done.stdout.strip().rpartition("\n")[2]


def main(directory: Path) -> None:
    """Search, resume, read the front, generate text with the winner, and be told what bad input is."""
    first = json.loads(run(*SEARCH, "--run", str(directory)))
    assert first["front"], "the front is empty"
    assert (directory / "report.html").stat().st_size > 0
    again = json.loads(run(*SEARCH, "--run", str(directory)))
    assert again["trials"] == first["trials"], "a finished search changed when it was run again"
    snippet = f"import nas_search\nmodel = nas_search.load({str(directory / 'winner')!r})\nprint(len(model.generate_text('import ')))"
    assert int(run(sys.executable, "-c", snippet)) > 0
    run("nas-search", "--device", "abacus", expected=2)
    print(f"searched {len(first['trials'])} proposals, front of {len(first['front'])}, winner {first['winner']['architecture']}")


main(Path(sys.argv[1]))
