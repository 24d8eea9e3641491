"""What a command imports on its way to an answer."""

import subprocess
import sys
from collections.abc import Sequence, Set


def imported(arguments: Sequence[str], names: Set[str]) -> set[str]:
    """Those modules of ``names`` that ``nas-search`` has imported when it ends; it must end well."""
    code = (
        "import sys\nsys.argv = ['nas-search', *sys.argv[1:]]\nfrom nas_search.cli.main import main\n"
        f"try:\n    main()\nfinally:\n    print('heavy:', *sorted({set(names)!r} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    mark, *found = done.stderr.strip().splitlines()[-1].split()
    assert mark == "heavy:"
    return set(found)
