"""Agreement of ranks: right where it is known, and modest where there is little to go by."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import kendalltau

from nas_search.results.report.agreement import FEW, FEWEST, Pairs, agreement, agreement_section, agreements
from nas_search.results.view import RunView
from nas_search.search.study import Study


def pairs(short: np.ndarray, long: np.ndarray) -> Pairs:
    return Pairs("x", short, long, np.arange(len(short), dtype=float))


def test_figures_are_those_of_scipy_with_an_interval_around() -> None:
    rng = np.random.default_rng(0)
    long = rng.normal(size=60)
    short = long + rng.normal(size=60)
    found = agreement(pairs(short, long))
    assert found.tau.value == pytest.approx(kendalltau(short, long).statistic)
    assert found.tau.low < found.tau.value < found.tau.high
    assert found.inside is not None and found.n == 60


def test_perfect_agreement_and_its_opposite() -> None:
    values = np.arange(30.0)
    assert agreement(pairs(values, values)).tau[:] == pytest.approx((1, 1, 1))
    assert agreement(pairs(values, -values)).tau[:] == pytest.approx((-1, -1, -1))


@pytest.mark.parametrize("n", [0, 1, FEWEST - 1])
def test_too_few_pairs_have_no_figure(n: int) -> None:
    found = agreement(pairs(np.arange(float(n)), np.arange(float(n))))
    assert found.n == n and found.tau is None and found.inside is None
    assert found.alike == found.compared == n * (n - 1) // 2


def test_a_constant_score_ranks_nothing() -> None:
    assert agreement(pairs(np.ones(12), np.arange(12.0))).tau is None


def test_a_study_is_compared_rung_by_rung_and_with_its_confirmation(study: Study) -> None:
    view = RunView.of(study)
    names = [found.name for found in agreements(view)]
    assert "searched (196,608) against confirmed (393,216)" in names
    assert "one seed of the confirmation against another" in names
    confirmed = next(found for found in agreements(view) if "against confirmed" in found.name)
    assert confirmed.n == len(view.confirmed)
    html = agreement_section(view)
    assert ("the intervals are wide" in html) is any(FEWEST <= found.n < FEW for found in agreements(view))
    assert ("The last column takes n of 20." in html) is any(found.n < 20 for found in agreements(view))


def test_few_networks_are_counted_in_pairs(study: Study) -> None:
    view = RunView.of(study)
    few = replace(
        view, records=tuple(record for record in view.records if record.number in {m.number for m in view.front[:3]})
    )
    html = agreement_section(few)
    assert "3 of 3 pairs alike" in html and f"With n below {FEWEST} there is no correlation" in html
    assert "No network reached the top rung" in agreement_section(replace(view, records=()))
