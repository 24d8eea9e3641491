"""What the unpublished numbers of aging evolution should be, and which tournament, judged one table at a time.

    python experiments/search-benchmark/evolution.py [--only plain|screened] [--seeds 10] [--screened-seeds 3]

Every setting differs from the default in what its name says. Figures are mean normalised hypervolumes at 25, 50 and 100
evaluations over seeds, on four tables (two files, each with two latencies) and on a landscape by formula over the
default space. For each of them the setting that is best on those with *other* losses is named, with what it costs
against the best one for itself: a default must be good where it was not chosen.
The last line is one JSON document. About ten minutes of one core.
"""

import argparse
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from cpu_landscape import CpuLandscape
from optuna.samplers import BaseSampler

from nas_search.search.bench.scale import Scale
from nas_search.search.front import Point, ranks
from nas_search.search.problem import FloatArray, SearchProblem
from nas_search.search.samplers.evolution.population import Member
from nas_search.search.samplers.evolution.sampler import AgingEvolution, EvolutionSettings
from nas_search.search.samplers.evolution.tournament import Selector, greatest_contribution
from nas_search.search.samplers.factory import MakeSampler, sampler_maker
from nas_search.search.samplers.options import SamplerOptions
from nas_search.search.simulation.search_table import SearchTable
from nas_search.search.simulation.simulate import simulate

TABLES = Path(__file__).parent / "tables"
BUDGETS = (25, 50, 100)
DEFAULT = "default"
Search = Callable[[MakeSampler, int, int], list[Point]]


class Landscape(NamedTuple):
    """Where searches are made: the points of one, by sampler, trials and seed. ``source`` is where losses are from."""

    source: str
    scale: Scale
    search: Search


class Setting(NamedTuple):
    """Numbers of evolution, and who wins a tournament."""

    numbers: EvolutionSettings
    select: Callable[[np.random.Generator], Selector] = lambda rng: greatest_contribution

    def make(self, problem: SearchProblem, seed: int, proposal_index: int) -> BaseSampler:
        """The sampler of one proposal."""
        rng = np.random.default_rng([seed, proposal_index])
        return AgingEvolution(problem, rng, self.numbers, self.select(rng))


def front(members: Sequence[Member]) -> list[Member]:
    """Those that no other one dominates."""
    rank = ranks([member.traded for member in members])
    return [member for member, value in zip(members, rank, strict=True) if value == 0]


def anyone(rng: np.random.Generator) -> Selector:
    """A random member of the front."""

    def select(members: Sequence[Member]) -> Member:
        first = front(members)
        return first[int(rng.integers(len(first)))]

    return select


def most_room(members: Sequence[Member]) -> Member:
    """The member of the front with the greatest crowding distance, as in NSGA-II; one of its ends, mostly."""
    first = front(members)
    points = np.array([member.traded for member in first])
    distances = np.zeros(len(first))
    for column in points.T:
        order = np.argsort(column, kind="stable")
        distances[order[[0, -1]]] = np.inf
        distances[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / (np.ptp(column) or 1.0)
    return first[int(np.argmax(distances))]


def changed(**numbers: float) -> Setting:
    """The default but for some numbers."""
    return Setting(EvolutionSettings(**numbers))


SIZES = ((10, 8), (20, 5), (20, 10), (20, 15), (20, 20), (30, 10), (30, 30), (50, 38))
PLAIN: dict[str, Setting] = {
    DEFAULT: changed(),
    **{f"population {size}, sample {sample}": changed(population=size, sample_size=sample) for size, sample in SIZES},
    "any of the front wins": Setting(EvolutionSettings(), anyone),
    "crowding distance wins": Setting(EvolutionSettings(), lambda rng: most_room),
    "cycle 1": changed(cycle=1),
    "crossover 0.25": changed(crossover=0.25),
    "crossover 0.5": changed(crossover=0.5),
}
SCREENED: dict[str, Setting] = {
    DEFAULT: changed(),
    **{f"screened {count}": changed(screened=count) for count in (4, 16, 64)},
    "screened 16, population 10, sample 8": changed(screened=16, population=10, sample_size=8),
}
PARTS = {"plain": (PLAIN, BUDGETS), "screened": (SCREENED, BUDGETS[:2])}
"""Settings and the budgets at which they are compared: screened ones take a second of thinking each."""


def landscapes() -> dict[str, Landscape]:
    """The four tables and the formula."""
    macro, pool = (pd.read_parquet(TABLES / f"hwgpt_s_{name}.parquet") for name in ("macro", "pool"))
    found = {}
    for name, rows in (("macro", macro), ("pool", pool)):
        for device in ("h100", "cpu_alldlc"):
            table = SearchTable.of(rows, _genes(rows), loss="perplexity", latency=f"lat_{device}_ms", name=name)
            found[f"{name}/{device}"] = _table_landscape(table)
    formula = CpuLandscape.build()
    return found | {"cpu space": Landscape("cpu space", formula.scale, formula.search)}


def _genes(rows: pd.DataFrame) -> list[str]:
    genes = r"embed_dim|n_layer|bias|(mlp|heads?)_(early|middle|late|\d+)"
    return [name for name in rows.columns if re.fullmatch(genes, name)]


def _table_landscape(table: SearchTable) -> Landscape:
    points = np.stack([table.latencies, table.losses[:, -1]], axis=1)

    def search(make: MakeSampler, trials: int, seed: int) -> list[Point]:
        records = simulate(table, make, trials=trials, seed=seed).records
        return [tuple(points[int(record.fingerprint)].tolist()) for record in records if record.trained]

    return Landscape(table.name, Scale.of(points), search)


def scores(
    settings: Mapping[str, MakeSampler], where: Mapping[str, Landscape], budgets: Sequence[int], seeds: int
) -> dict[str, dict[str, FloatArray]]:
    """[seeds, budgets] normalised hypervolumes, by setting and landscape."""
    trials = max(budgets)
    return {
        name: {
            place: np.array(
                [
                    landscape.scale.curve(landscape.search(make, trials, seed), trials)[np.array(budgets) - 1]
                    for seed in range(seeds)
                ]
            )
            for place, landscape in where.items()
        }
        for name, make in settings.items()
    }


def show(found: Mapping[str, Mapping[str, FloatArray]], budgets: Sequence[int]) -> None:
    """A Markdown table: by setting, at each budget, for each landscape."""
    places = list(next(iter(found.values())))
    print(f"| setting | {' | '.join(places)} | mean |\n|---|{'---|' * (len(places) + 1)}")
    for name, by_place in found.items():
        cells = [" ".join(f"{value:.3f}" for value in by_place[place].mean(axis=0)) for place in places]
        print(f"| {name} | {' | '.join(cells)} | {_mean(by_place, places):.4f} |")
    print(f"\n(at {', '.join(map(str, budgets))} evaluations)\n")


def left_out(found: Mapping[str, Mapping[str, FloatArray]], where: Mapping[str, Landscape]) -> dict[str, dict]:
    """For each landscape the setting that is best on those of other sources, and what it loses to the best one here."""
    rows = {}
    for place, landscape in where.items():
        others = [other for other in where if where[other].source != landscape.source]
        chosen = max(found, key=lambda name: _mean(found[name], others))
        best = max(found, key=lambda name: _mean(found[name], [place]))
        loss = _mean(found[best], [place]) - _mean(found[chosen], [place])
        rows[place] = {"chosen elsewhere": chosen, "best here": best, "loss": round(loss, 4)}
    return rows


def _mean(by_place: Mapping[str, FloatArray], places: Sequence[str]) -> float:
    return float(np.mean([by_place[place].mean() for place in places]))


def main() -> None:
    """Run, print tables and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=PARTS)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--screened-seeds", type=int, default=3)
    arguments = parser.parse_args()
    where = landscapes()
    baseline = {"random": sampler_maker("random", SamplerOptions.model_validate({}))}
    document = {}
    for title in PARTS if arguments.only is None else (arguments.only,):
        settings, budgets = PARTS[title]
        seeds = arguments.seeds if title == "plain" else arguments.screened_seeds
        makers = baseline | {name: setting.make for name, setting in settings.items()}
        found = scores(makers, where, budgets, seeds)
        print(f"## {title}, {seeds} seeds\n")
        show(found, budgets)
        choices = left_out(found, where)
        print(pd.DataFrame(choices).T.to_string(), "\n")
        means = {name: {p: v.mean(axis=0).round(4).tolist() for p, v in by.items()} for name, by in found.items()}
        document[title] = {"seeds": seeds, "budgets": budgets, "hypervolume": means, "left_out": choices}
    print(json.dumps(document))


if __name__ == "__main__":
    main()
