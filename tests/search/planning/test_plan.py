"""Plans: hours by phase, held against what can be counted by hand."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from study_maker import make_study

from nas_search.errors import InputError
from nas_search.proxies.recipe import TrainingRecipe
from nas_search.search.config import SearchConfig
from nas_search.search.planning import plan as planning
from nas_search.search.planning.plan import make_plan
from nas_search.search.planning.plan_input import PlanInput
from nas_search.search.planning.plan_result import Plan
from nas_search.search.planning.rates import driver_rates, recorded_rates, work_tokens
from nas_search.search.planning.repeated import Repeated
from nas_search.search.rungs import Ladder

EACH = 2e-3
RECIPE = TrainingRecipe.model_validate({})
FIELDS: dict[str, Any] = {"sampler": "random", "tokens": 40_000, "lowest_rung": 40_000, "confirm_members": 0}


def equal(**fields: Any) -> PlanInput:
    """A search in which a token takes EACH seconds of training, whatever the network."""
    rates = recorded_rates()
    given = PlanInput.of(SearchConfig(**{**FIELDS, **fields}), None)
    return replace(given, rates=replace(rates, seconds_per_token=np.full(len(rates.networks), EACH)))


def plan(given: PlanInput, searches: int = 2) -> Plan:
    return make_plan(given, searches)


def test_equal_trainings_on_one_worker() -> None:
    found = plan(equal(trials=8, workers=1))
    search = found.phases[1]
    training = 8 * EACH * work_tokens(40_000, RECIPE)
    assert 3600 * search.busy_hours.mean == pytest.approx(training)
    proposing = 8 * driver_rates().proposal_seconds("random", 0)
    assert 3600 * search.hours.mean == pytest.approx(training + proposing, rel=1e-3)
    assert found.driver_hours * 3600 == pytest.approx(proposing)
    assert search.utilisation > 0.99 and found.on_rungs == (8,)


def test_workers_share_equal_trainings() -> None:
    """Ten trials on four workers take three turns, in the last of which half of them are idle."""
    found = plan(equal(trials=10, workers=4))
    turn = EACH * work_tokens(40_000, RECIPE) / 3600
    assert found.phases[1].hours.mean == pytest.approx(3 * turn, rel=1e-2)
    assert found.phases[1].utilisation == pytest.approx(10 / 12, rel=1e-2)
    assert found.tail_hours.mean == pytest.approx(turn, rel=1e-2)
    assert found.tail_idle == pytest.approx(0.5, rel=2e-2)
    search = {row.workers: row.hours - found.phases[0].hours.mean for row in found.by_workers}
    assert {workers: round(hours / turn) for workers, hours in search.items()} == {1: 10, 2: 5, 4: 3, 8: 2, 16: 1}


def test_table_and_confirmation() -> None:
    found = plan(equal(trials=6, workers=2, confirm_members=1, confirm_seeds=3, confirm_tokens=50_000))
    table, _, confirmation = found.phases
    driver = driver_rates()
    assert 3600 * table.hours.mean == pytest.approx(5 * 5 * driver.table_seconds)
    training = EACH * work_tokens(50_000, RECIPE)
    assert 3600 * confirmation.hours.mean == pytest.approx(driver.measuring_seconds + 2 * training)
    assert 3600 * confirmation.busy_hours.mean == pytest.approx(driver.measuring_seconds + 3 * training)
    assert found.total.hours.mean == pytest.approx(sum(phase.hours.mean for phase in found.phases))
    without = plan(equal(trials=6, workers=2, table=Path("there.parquet")))
    assert without.phases[0].hours.mean == 0 and without.phases[2].hours.mean == 0


def test_rungs_save_training_and_many_workers_save_less() -> None:
    """Who is asked about all at once is compared with nobody."""
    fields = {"trials": 24, "tokens": 400_000, "lowest_rung": 14_000}
    few, many = plan(equal(**fields, workers=1)), plan(equal(**fields, workers=24))
    assert few.on_rungs[0] == many.on_rungs[0] == 24
    assert few.on_rungs[-1] < many.on_rungs[-1] == 24
    assert few.phases[1].busy_hours.mean < many.phases[1].busy_hours.mean


def test_a_deterministic_search_waits_for_the_slowest() -> None:
    fields = {"trials": 24, "workers": 4, "sampler": "random", "confirm_members": 0}
    free = plan(PlanInput.of(SearchConfig(**fields), None))
    strict = plan(PlanInput.of(SearchConfig(**fields, deterministic=True), None))
    assert strict.phases[1].utilisation < free.phases[1].utilisation
    assert strict.deterministic and not free.deterministic


def test_a_given_rate_is_said_to_be_given() -> None:
    config = SearchConfig(trials=6, workers=2, space="paper", sampler="random")
    fast, slow = (plan(PlanInput.of(config, None, rate)) for rate in (20_000.0, 10_000.0))
    assert slow.phases[1].hours.mean == pytest.approx(2 * fast.phases[1].hours.mean, rel=0.01)
    assert not fast.rates_measured and "given, not measured" in fast.assumptions[0]
    assert plan(PlanInput.of(config, None)).rates_measured


def test_the_same_question_has_the_same_answer() -> None:
    given = PlanInput.of(SearchConfig(trials=6, workers=3, sampler="evolution"), None)
    found = plan(given, 3)
    assert found == plan(given, 3)
    hours = found.total.hours
    assert found.searches == 3 and hours.least < hours.mean < hours.most


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({}, ""),
        ({"columns": ["recall"]}, "trainings on recall"),
        ({"objectives": ["loss", "recall"]}, "further objectives, trainings on recall"),
        (
            {"two_stage": {}, "latency_budget": "3x"},
            "limits, over which nothing is trained, the law of two stages and the narrower space after it",
        ),
    ],
)
def test_what_a_plan_leaves_out_is_said(fields: dict[str, Any], what: str) -> None:
    config = SearchConfig.checked({"trials": 2, "workers": 1, "sampler": "random", **fields})
    said = [sentence for sentence in plan(PlanInput.of(config, None)).assumptions if sentence.startswith("left out")]
    assert said == ([f"left out: {what}"] if what else [])


def test_rates_of_a_run(tmp_path: Path) -> None:
    study = make_study(tmp_path, lowest_rung=65_536)
    config = study.config.model_copy(update={"trials": 6, "workers": 2, "sampler": "random"})
    found = plan(PlanInput.of(config, study))
    assert str(tmp_path) in found.rates and found.tokens == (65_536, 196_608)
    assert any("left out: limits" in sentence for sentence in found.assumptions)


def test_a_slow_sampler_is_stood_in_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "PATIENCE_SECONDS", 0.0)
    found = plan(equal(trials=6, workers=2, sampler="gp"))
    assert found.sampler == "gp"
    assert any("candidates are those of evolution" in sentence for sentence in found.assumptions)
    assert found.driver_hours * 3600 == pytest.approx(6 * driver_rates().proposal_seconds("gp", 0))


def test_an_unknown_sampler() -> None:
    with pytest.raises(InputError, match="unknown sampler 'nonsense'"):
        PlanInput.of(SearchConfig(sampler="nonsense"), None)


def test_repeated_proposals_end_and_go_on_at_random() -> None:
    given = equal(trials=4)
    problem = planning.Planned(
        given.config, given.space, None, Ladder((40_000,)), given.model, driver_rates(), Repeated.maker([])
    )
    first = problem.schedule().genomes
    again = replace(problem, make_sampler=Repeated.maker(first[:2])).schedule().genomes
    assert again[:2] == first[:2] and len(again) == 4 and len(set(again)) == 4
