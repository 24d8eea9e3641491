"""Put together the table to search in: recorded losses, latencies by a recorded latency table, and features.

    nas-search table record --space cpu --out experiments/search-table/recorded/latencies.parquet
    python experiments/search-table/table.py

Writes ``recorded/table.csv``: the columns of ``losses.csv``, ``latency_ms`` of decode:256, and what a search tells its
model of the loss about each architecture.
"""

from pathlib import Path

import pandas as pd

from nas_search.files import write_text_atomic
from nas_search.profiler.table import LatencyTable
from nas_search.profiler.workload import Workload
from nas_search.search.architecture_features import architecture_features, feature_names
from nas_search.space.architecture import Architecture
from nas_search.space.search_space import load_space

RECORDED = Path(__file__).parent / "recorded"
WORKLOAD = "decode:256"


def main() -> None:
    losses = pd.read_csv(RECORDED / "losses.csv")
    architectures = [Architecture.parse(notation) for notation in losses["architecture"]]
    latencies = LatencyTable.load(RECORDED / "latencies.parquet").predict_many(architectures, Workload.parse(WORKLOAD))
    space = load_space("cpu").with_vocabulary(architectures[0].vocabulary)
    features = pd.DataFrame(architecture_features(architectures, space).round(6), columns=feature_names(space))
    table = losses.assign(latency_ms=latencies.round(6)).join(features)
    write_text_atomic(RECORDED / "table.csv", table.to_csv(index=False, lineterminator="\n"))
    print(f"{RECORDED / 'table.csv'}: {len(table)} architectures, features: {','.join(feature_names(space))}")


if __name__ == "__main__":
    main()
