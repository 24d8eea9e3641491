"""Whole searches in a tiny table, by every kind of contestant."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from bench_fakes import GENES, frame

from nas_search.errors import InputError
from nas_search.search.bench.ablations.random_known import STRIPS, random_known
from nas_search.search.bench.names import ALONE, PYMOO, check_contestant, contestant_names
from nas_search.search.bench.replay import replay
from nas_search.search.bench.replayed import Replayed
from nas_search.search.bench.table_file import TableColumns, read_search_table
from nas_search.search.simulation.search_table import SearchTable
from nas_search.search.simulation.simulate import simulate

needs_pymoo = pytest.mark.skipif(find_spec("pymoo") is None, reason="needs pymoo, of the extra 'bench'")


@pytest.fixture
def search_table(table: Path) -> SearchTable:
    return read_search_table(table, TableColumns(GENES, "bits", "ms", "seconds"))


def run(table: SearchTable, sampler: str, trials: int = 12, seed: int = 0, workers: int = 1) -> Replayed:
    return replay(table, sampler, trials=trials, seed=seed, workers=workers, progress=lambda done, total: None)


@pytest.mark.parametrize("sampler", ["random", "evolution", "nsga2", "random-known"])
def test_the_engine_tries_every_row_once(search_table: SearchTable, sampler: str) -> None:
    found = run(search_table, sampler)
    assert len(set(found.rows)) == len(found.rows) == 12
    assert len(found.thinking) >= 12
    assert found.rows == run(search_table, sampler).rows
    assert found.rows != run(search_table, sampler, seed=1).rows


def test_rows_are_in_the_order_in_which_they_became_known(search_table: SearchTable) -> None:
    one, four = run(search_table, "random"), run(search_table, "random", workers=4)
    depths = frame().depth.to_numpy()
    assert one.seconds == pytest.approx(10 * depths[list(one.rows)].sum())
    assert four.seconds is not None
    assert 10 * depths[list(four.rows)].sum() / 4 <= four.seconds < one.seconds
    first_ends = 10 * depths[list(four.rows[:4])]
    assert first_ends[0] == min(first_ends)


@pytest.mark.parametrize("sampler", ["optuna-tpe", "optuna-nsga2", pytest.param(PYMOO, marks=needs_pymoo)])
def test_packages_by_themselves(search_table: SearchTable, sampler: str) -> None:
    found = run(search_table, sampler)
    assert len(found.rows) == 12
    assert set(found.rows) <= set(range(24))
    assert found.rows == run(search_table, sampler).rows
    assert found.rows != run(search_table, sampler, seed=1).rows


@needs_pymoo
def test_pymoo_ends_when_there_is_nothing_new(search_table: SearchTable) -> None:
    found = run(search_table, PYMOO, trials=24)
    assert len(set(found.rows)) == len(found.rows) <= 24


@needs_pymoo
def test_pymoo_proposes_rows_of_a_pool(tmp_path: Path) -> None:
    pool = frame().sample(15, random_state=0)
    pool.to_csv(tmp_path / "pool.csv", index=False)
    found = run(read_search_table(tmp_path / "pool.csv", TableColumns(GENES, "bits", "ms")), PYMOO, trials=10)
    assert len(set(found.rows)) == 10
    assert max(found.rows) < 15


@pytest.mark.parametrize("sampler", ["random", "optuna-tpe"])
def test_progress_is_told(search_table: SearchTable, sampler: str) -> None:
    told: list[tuple[int, int]] = []

    def progress(done: int, total: int) -> None:
        told.append((done, total))

    replay(search_table, sampler, trials=6, seed=0, workers=1, progress=progress)
    assert told == sorted(told)
    assert {total for _, total in told} == {6}
    assert len(told) >= 6


def test_random_with_known_latencies_covers_them_evenly() -> None:
    """Of as many proposals as there are strips, each falls into another one."""
    rng = np.random.default_rng(0)
    rows = frame().loc[np.repeat(np.arange(24), 20)].reset_index(drop=True)
    rows["copy"] = np.tile(np.arange(20), 24)
    rows["ms"] = rng.lognormal(size=len(rows))
    table = SearchTable.of(rows, [*GENES, "copy"], loss="bits", latency="ms")
    tried = [record.latency_ms for record in simulate(table, random_known, trials=STRIPS, seed=0).records]
    strips = np.searchsorted(np.quantile(rows.ms, np.linspace(0, 1, STRIPS + 1)[1:-1]), tried)
    plain = [record.latency_ms for record in simulate(table, "random", trials=STRIPS, seed=0).records]
    plain_strips = np.searchsorted(np.quantile(rows.ms, np.linspace(0, 1, STRIPS + 1)[1:-1]), plain)
    assert len(set(strips.tolist())) >= STRIPS - 2 > len(set(plain_strips.tolist()))


def test_a_search_offers_no_ablations() -> None:
    from nas_search.search.samplers.names import sampler_names

    assert set(contestant_names()) > set(sampler_names())
    assert "random-known" not in sampler_names()


def test_unknown_contestants_are_refused() -> None:
    with pytest.raises(InputError, match="unknown sampler 'tpee': did you mean 'tpe'"):
        check_contestant("tpee")
    for name in ("random", "random-known", "optuna-gp"):
        check_contestant(name)


def test_pymoo_that_is_not_there_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas_search.search.bench.names.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pymoo is not installed; pip install 'nas-search\[bench\]'"):
        check_contestant(PYMOO)
    assert PYMOO in ALONE
