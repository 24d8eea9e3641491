"""Genes that decide stand out, genes that do nothing do not."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from study_maker import make_study

from nas_search.results.report.importance import FEWEST, gene_shares, importance_section
from nas_search.results.view import RunView
from nas_search.search.study import Study


def genomes(n: int, seed: int) -> list[dict[str, int]]:
    rng = np.random.default_rng(seed)
    return [
        {"width": int(rng.integers(4)), "mixer": int(rng.integers(4)), "idle": int(rng.integers(4))} for _ in range(n)
    ]


def test_shares_add_up_where_genes_add_up() -> None:
    drawn = genomes(4000, 1)
    values = [3.0 * genome["width"] + 1.0 * genome["mixer"] for genome in drawn]
    width, mixer, idle = gene_shares(drawn, values)
    assert (width.gene, mixer.gene, idle.gene) == ("width", "mixer", "idle")
    assert width.share == pytest.approx(0.9, abs=0.02)
    assert mixer.share == pytest.approx(0.1, abs=0.02)
    assert width.told and mixer.told and idle.share < 0.01


def test_chance_is_told_about_as_often_as_it_is_meant_to_be() -> None:
    rng = np.random.default_rng(0)
    runs = [gene_shares(genomes(40, seed), list(rng.normal(size=40)), seed) for seed in range(60)]
    told = [share.told for shares in runs for share in shares]
    assert 0.01 < np.mean(told) < 0.11


def test_a_value_for_each_gene_alone_or_no_spread_tells_nothing() -> None:
    assert gene_shares(genomes(30, 2), [1.0] * 30) == []
    assert gene_shares([], []) == []
    assert gene_shares([{"id": index} for index in range(20)], list(range(20))) == []
    assert gene_shares([{"one": 1}] * 20, list(range(20))) == []


@given(st.lists(st.floats(-1e3, 1e3), min_size=FEWEST, max_size=40))
def test_shares_are_shares(values: list[float]) -> None:
    for share in gene_shares(genomes(len(values), 3), values):
        assert 0 <= share.share <= 1 and 0 <= share.chance <= 1


def test_the_section_says_n_or_that_there_are_too_few(study: Study, tmp_path: Path) -> None:
    view = RunView.of(study)
    networks = sum(record.duplicate_of is None for record in view.records)
    html = importance_section(view)
    assert f"loss, n = {len(view.scored)}" in html and f"latency, n = {networks}" in html
    assert all(gene.name in html for gene in study.space.genes)
    few = importance_section(RunView.of(make_study(tmp_path, proposals=6, confirm=False)))
    assert "Too few networks" in few and "<table" not in few
