"""A small real search through the installed command, then a second command that resumes it and one that fails."""

import json
import subprocess
import sys
from pathlib import Path

SEARCH = ["nas-search", "--device", "cpu", "--trials", "4", "--tokens", "12288", "--workload", "decode:64", "--json"]
SNIPPET = "import sys, nas_search\nprint(len(nas_search.load(sys.argv[1]).generate_text('import ', new_tokens=20)))"


def run(*arguments: str, expected: int = 0) -> str:
    """The last line of the command's output; the command must end with ``expected``."""
    done = subprocess.run(arguments, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != expected:
        sys.exit(f"{' '.join(arguments)}: exit code {done.returncode}, expected {expected}")
    return done.stdout.strip().rpartition("\n")[2]


def main(directory: Path) -> None:
    """Search, resume, generate text with the winner, and be told what bad input is."""
    first = json.loads(run(*SEARCH, "--run", str(directory)))
    assert first["front"], "the front is empty"
    assert (directory / "report.html").stat().st_size > 0
    again = json.loads(run(*SEARCH, "--run", str(directory)))
    assert again["trials"] == first["trials"], "a finished search changed when it was run again"
    assert int(run(sys.executable, "-c", SNIPPET, str(directory / "winner"))) > len("import ")
    run("nas-search", "--device", "abacus", expected=2)
    print(f"searched {len(first['trials'])} proposals, winner {first['winner']['architecture']}")


main(Path(sys.argv[1]))
