"""Agreement of proxies: known in made data, paired, inside bands, and modest where there is little to go by."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau, spearmanr

from nas_search.errors import InputError
from nas_search.proxies.agreement import DEPTH, FEWEST, LATENCY, PARAMETERS, Proxy, Scores, measure_agreement
from nas_search.proxies.agreement_table import read_scores

N = 120


def made(n: int = N, seed: int = 0) -> Scores:
    """Size decides latency and most of the loss; the longer training has less noise, parameters know size alone."""
    rng = np.random.default_rng(seed)
    size = rng.normal(size=n)
    quality = rng.normal(scale=0.3, size=n)
    truth = quality - size
    proxies = (
        Proxy("short", truth + rng.normal(scale=0.3, size=n), 0),
        Proxy("long", truth + rng.normal(scale=0.02, size=n), 1),
        Proxy(PARAMETERS, -size - rng.normal(scale=0.02, size=n)),
        Proxy(DEPTH, rng.normal(size=n)),
    )
    return Scores("made", "loss", truth, proxies, latencies=np.exp(size))


def test_correlations_are_those_of_scipy_with_an_interval_around() -> None:
    scores = made()
    found = measure_agreement(scores, resamples=200)
    for proxy, known in zip(found.proxies, scores.proxies, strict=True):
        assert proxy.name == known.name
        assert proxy.overall.tau.value == pytest.approx(kendalltau(known.values, scores.truth).statistic)
        assert proxy.overall.rho.value == pytest.approx(spearmanr(known.values, scores.truth).statistic)
        assert proxy.overall.tau.low <= proxy.overall.tau.value <= proxy.overall.tau.high


def test_what_only_knows_size_is_worth_nothing_at_equal_latency() -> None:
    found = measure_agreement(made(), bands=12, resamples=200)
    short, _, parameters, _ = found.proxies
    assert parameters.overall.tau.value > 0.75
    assert parameters.in_bands.tau.value < 0.4
    assert short.in_bands.tau.value > parameters.in_bands.tau.value + 0.1
    assert found.bands.networks == (10,) * 12
    assert min(found.bands.spread) > 1


def test_differences_are_of_the_same_resamples() -> None:
    scores = made()
    twin = scores.with_proxies((Proxy("twin", scores.proxies[2].values),))
    found = measure_agreement(twin, resamples=50)
    short, *_, parameters, depth, same = found.proxies
    assert same.tau_above[PARAMETERS].model_dump() == {"value": 0, "low": 0, "high": 0}
    assert short.tau_above[DEPTH].value == pytest.approx(short.overall.tau.value - depth.overall.tau.value)
    difference = short.tau_above_in_bands[PARAMETERS]
    assert difference.value == pytest.approx(short.in_bands.tau.value - parameters.in_bands.tau.value)
    assert parameters.tau_above == {}


def test_the_shortest_training_that_is_good_enough_by_the_lower_end() -> None:
    found = measure_agreement(made(), resamples=200)
    short, long, *_ = found.proxies
    assert short.overall.tau.value < 0.85 < long.overall.tau.low
    assert found.shortest(0.85, in_bands=False).name == "long"
    assert found.shortest(short.overall.tau.low, in_bands=False).name == "short"
    assert found.shortest(short.overall.tau.value, in_bands=False).name == "long"
    assert found.shortest(1, in_bands=True) is None


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    """Kendall's tau of a normal pair with correlation r is 2 asin(r) / pi (Greiner's relation)."""
    rng, known, covered = np.random.default_rng(0), 2 * np.arcsin(0.8) / np.pi, 0
    for _ in range(60):
        one, other = rng.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], size=60).T
        found = measure_agreement(Scores("made", "loss", one, (Proxy("p", other),)), resamples=200).proxies[0]
        covered += found.overall.tau.low <= known <= found.overall.tau.high
    assert covered >= 51  # 60 of 95 % are 57; less than 51 happens in 3 of 1000 cases


def test_a_constant_proxy_has_no_figure() -> None:
    found = measure_agreement(made().with_proxies((Proxy("constant", np.ones(N)),)), resamples=20)
    constant = found.proxies[-1]
    assert constant.overall.tau is None and constant.in_bands.rho is None and constant.tau_above == {}


def test_too_little_to_go_by() -> None:
    with pytest.raises(InputError, match=f"made: 7 networks have loss; at least {FEWEST} are needed"):
        measure_agreement(made(7))
    few = measure_agreement(made(19), resamples=20)
    assert few.bands is None and few.no_bands == "19 networks; 4 bands need 20"
    assert few.proxies[0].in_bands is None and few.shortest(0, in_bands=True) is None
    without = measure_agreement(replace(made(), latencies=None), resamples=20)
    assert without.no_bands == "no latencies"


def table(path: Path, **columns: object) -> Path:
    frame = {"short": [4.0, 3.0, 2.0], "long": [2.0, None, 1.0], "ms": [1.0, 2.0, 3.0]} | columns
    pd.DataFrame(frame).to_csv(path, index=False)
    return path


def test_a_table_gives_what_its_columns_have(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", parameters=[5, 6, 7], architecture=["w32 a", "w32 f", "w64 a f"])
    scores = read_scores(path, ["short", "long"], "ms")
    assert [proxy.name for proxy in scores.proxies] == ["short", PARAMETERS, DEPTH, LATENCY]
    assert scores.truth.tolist() == [2, 1]
    assert scores.left_out == 1
    assert scores.architectures == ("w32 a", "w64 a f")
    assert scores.proxies[2].values.tolist() == [-1, -2]
    plain = read_scores(table(tmp_path / "p.csv", depth=[5, 6, 7]), ["short", "long"])
    assert [proxy.name for proxy in plain.proxies] == ["short", DEPTH]
    assert plain.latencies is None and plain.proxies[1].values.tolist() == [-5, -7]


@pytest.mark.parametrize(
    ("losses", "latency", "columns", "message"),
    [
        (["long"], None, {}, "name two columns of losses at least, the shortest training first; the columns are short"),
        (["long", "long"], None, {}, "give each column of losses once"),
        (["short", "lang"], None, {}, "no column 'lang'; the columns are short, long, ms"),
        (["short", "long"], "s", {}, "no column 's'"),
        (["short", "long"], "ms", {"ms": [1, 2, 0]}, "column 'ms': a latency is not above 0"),
        (["short", "long"], None, {"short": [1, "x", 2]}, "column 'short': row 2 below the header has 'x'"),
        (["short", "long"], None, {"short": [1, 2, "inf"]}, "row 3 below the header has 'inf'"),
        (["short", "long"], None, {"architecture": ["w32 a", "w32 a", "w32 zz"]}, "zz"),
    ],
)
def test_tables_that_cannot_be_read(
    tmp_path: Path, losses: list[str], latency: str | None, columns: dict[str, object], message: str
) -> None:
    path = table(tmp_path / "t.csv", **columns)
    with pytest.raises(InputError) as caught:
        read_scores(path, losses, latency)
    assert message in str(caught.value)
