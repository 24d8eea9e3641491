"""What trainings took: the recording in the package, and a run's own trials."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from study_maker import make_study

from nas_search.errors import InputError
from nas_search.proxies.recipe import TrainingRecipe
from nas_search.search.planning.rates import driver_rates, recorded_rates, run_rates, work_tokens
from nas_search.search.rungs import Ladder
from nas_search.search.samplers.names import sampler_names

ROOT = Path(__file__).parents[3]
RECIPE = TrainingRecipe.model_validate({})


def test_the_packaged_rates_are_those_that_were_recorded() -> None:
    spec = importlib.util.spec_from_file_location("make_rates", ROOT / "experiments" / "scale" / "rates.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (module.OUT / "cpu.csv").read_text() == module.training_rates()
    assert (module.OUT / "driver.yaml").read_text() == module.driver_rates()


def test_packaged_rates() -> None:
    rates = recorded_rates()
    assert len(rates.networks) == 200 and rates.losses.shape == (200, 4)
    assert rates.shares[-1] == 1 and (np.diff(rates.shares) > 0).all()
    assert (np.diff(rates.losses, axis=1) < 0).mean() > 0.95  # more training, less loss
    assert 1e-6 < rates.seconds_per_token.min() < rates.seconds_per_token.max() < 1e-2
    assert "AMD EPYC" in rates.source and "#" not in rates.source


@pytest.mark.parametrize("sampler", ["evolution", "nsga2", "tpe", "gp", "bayes"])
def test_proposals_take_longer_in_larger_studies(sampler: str) -> None:
    rates = driver_rates()
    seconds = [rates.proposal_seconds(sampler, proposals) for proposals in (0, 50, 300, 500, 5_000, 50_000)]
    assert seconds == sorted(seconds) and seconds[0] > rates.driver_seconds


@pytest.mark.parametrize("sampler", ["random", "enumerate"])
def test_others_take_the_same_time(sampler: str) -> None:
    """They do not look at the study."""
    rates = driver_rates()
    assert rates.proposal_seconds(sampler, 1_000_000) < 2 * rates.proposal_seconds(sampler, 100)


def test_every_sampler_has_a_time() -> None:
    assert set(driver_rates().thinking) == set(sampler_names())


def test_rates_of_a_run_give_its_seconds_back(tmp_path: Path) -> None:
    study = make_study(tmp_path, lowest_rung=65_536)
    rates = run_rates(study)
    trained = [one for one in study.records() if one.trained_here and one.rung_scores and one.bits_per_byte]
    assert [network.notation for network in rates.networks] == [one.trained_as for one in trained]
    work = Ladder((65_536, 196_608)).work(RECIPE.decay_share)
    for record, each, losses in zip(trained, rates.seconds_per_token, rates.losses, strict=True):
        rungs = len(record.rung_scores)
        assert each * sum(work_tokens(part, RECIPE) for part in work[:rungs]) == pytest.approx(record.seconds)
        assert losses[:rungs] == pytest.approx(record.rung_scores)
        assert losses[-1] == pytest.approx(record.bits_per_byte)


def test_a_run_with_few_trials_has_no_rates(tmp_path: Path) -> None:
    study = make_study(tmp_path, proposals=3)
    with pytest.raises(InputError, match=r"of its trials were trained here; rates need at least 6"):
        run_rates(study)
