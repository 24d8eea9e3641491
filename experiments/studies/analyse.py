"""Say what the trainings of a study come to: tables, and one JSON document as the last line.

    python experiments/studies/analyse.py experiments/operators [--out FILE.html] [--text HASH] [--device cpu|cuda]

What is said is in the study's ``analysis.py``; ``--out`` writes its picture as a page. The text itself is not needed:
the trainings are those of the text that is recorded, and ``--text`` says of which one if there are several.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from comparing import Analysis
from plan import Study, read_config, recorded_folder
from script import run_script
from shards import Shards
from study_results import Results, complete
from train import SHARDS_FOLDER

from nas_search.cli.console import stdout
from nas_search.cli.output import check_targets, write_target
from nas_search.errors import InputError

ANALYSIS_FILE = "analysis.py"


def main(arguments: Sequence[str]) -> None:
    """Read the shards, analyse, print and write."""
    options = _parser().parse_args(arguments)
    targets = check_targets([options.out] if options.out else [], (".html",))
    config = read_config(options.study)
    shards = Shards(recorded_folder(options.study) / SHARDS_FOLDER)
    study = Study(options.study, options.text or shards.only_text(), options.device)
    results = complete(study, shards)
    found = load_analysis(study.folder)(results)
    console = stdout()
    console.print(config.title, style="bold")
    for fact in results.facts():
        console.print(fact, markup=False)
    for table in found.tables:
        console.print(table, markup=False)
    for path, _ in targets:
        write_target(path, found.page)
    print(json.dumps({"study": config.title, "text": study.corpus, **found.document}, allow_nan=False))


def load_analysis(folder: Path) -> Callable[[Results], Analysis]:
    """The function ``analyse`` of a study's folder."""
    path = folder / ANALYSIS_FILE
    if not path.is_file():
        raise InputError(f"{path}: no such file; a study needs one")
    spec = spec_from_file_location(f"analysis_of_{folder.resolve().name.replace('-', '_')}", path)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    analyse: Callable[[Results], Analysis] = module.analyse
    return analyse


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path, help="the study's folder, or a config file in it")
    parser.add_argument("--out", type=Path, help="write a page with the picture")
    parser.add_argument("--text", metavar="HASH", help="hash of the text of the trainings (default: the recorded one)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where it was trained (default: cpu)")
    return parser


if __name__ == "__main__":
    sys.exit(run_script(lambda: main(sys.argv[1:])))
