"""Put together the rates that ship with the package, from what was recorded.

    python experiments/scale/rates.py

Writes ``search/planning/rates/cpu.csv``, the columns of ``experiments/search-table/recorded/table.csv`` that a plan
needs, and ``driver.yaml`` beside it, from ``recorded/driver.json`` and ``recorded/default-search.json`` here.
"""

import json
from collections import defaultdict
from pathlib import Path
from statistics import harmonic_mean
from typing import Any

import pandas as pd
import yaml

from nas_search.files import write_text_atomic
from nas_search.space.search_space import load_space

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "experiments" / "search-table" / "recorded" / "table.csv"
RECORDED = ROOT / "experiments" / "scale" / "recorded"
OUT = ROOT / "search" / "planning" / "rates"
HEAD = """\
# 200 random members of the space cpu, each trained on one core of a virtual machine with two
# (AMD EPYC, family 26, model 2, AVX-512; experiments/search-table)
"""
DRIVER_HEAD = """\
# What the driver of a search and its jobs beside training take, written by experiments/scale/rates.py. CPU seconds of a
# proposal by trials in the study, and of all else that a trial takes in a journal file: experiments/scale/driver.py.
# Seconds of a latency table for each operator and width, and of measuring a network: one default search.
# The sampler gp: experiments/benchmarks/proposal_time.py.
"""
GP = {50: 0.722, 100: 0.873, 200: 1.675, 500: 3.976}
"""CPU seconds of a proposal of Optuna's Gaussian process, by trials (experiments/benchmarks/README.md)."""


def training_rates() -> str:
    """The text of ``cpu.csv``."""
    table = pd.read_csv(TABLE)
    kept = [name for name in table.columns if name.startswith(("seconds_", "bits_per_byte_"))]
    return HEAD + table[["architecture", "latency_ms", *kept]].round(4).to_csv(index=False, lineterminator="\n")


def driver_rates() -> str:
    """The text of ``driver.yaml``."""
    driver, search = (json.loads((RECORDED / f"{name}.json").read_text()) for name in ("driver", "default-search"))
    thinking: dict[str, dict[int, float]] = defaultdict(dict)
    for row in driver["thinking"]:
        thinking[row["sampler"]][row["trials"]] = round(row["median"], 4)
    space = load_space("cpu")
    cells = len(space.operator_specs()) * len(space.widths)
    fields: dict[str, Any] = {
        "source": driver["device"],
        "table_seconds": round(search["seconds"]["table"] / cells, 3),
        "measuring_seconds": round(search["seconds"]["measuring"] / search["confirmed"], 3),
        "driver_seconds": round(
            1 / harmonic_mean([row["trials_per_cpu_second"] for row in driver["engine"]["journal"]]), 4
        ),
        "thinking": {**thinking, "gp": GP},
    }
    return DRIVER_HEAD + yaml.safe_dump(fields, sort_keys=False)


if __name__ == "__main__":
    write_text_atomic(OUT / "cpu.csv", training_rates())
    write_text_atomic(OUT / "driver.yaml", driver_rates())
    print(OUT)
