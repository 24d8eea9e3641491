"""A driver to be killed: connects to the Ray at an address and works in a folder until it ends."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from conftest import ray_executor
from stage import FAKES, Stage

from nas_search.search.executors.cluster.connection import connect


def main(address: str, folder: Path) -> None:
    stage = Stage(ray_executor(connect(address, 1, [FAKES]), folder, 1), folder, folder)
    stage.run(stage.job("long", "sleep long"))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
