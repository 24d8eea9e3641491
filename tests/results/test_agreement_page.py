"""The picture of how proxies agree: every figure at its place, with its interval."""

import numpy as np
import pytest

from nas_search.proxies.agreement import Proxy, Scores, measure_agreement
from nas_search.results.agreement_page import agreement_figure, agreement_html


def scores(n: int = 30) -> Scores:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=n)
    proxies = (
        Proxy("short <b>", truth + rng.normal(size=n), 0),
        Proxy("constant", np.ones(n)),
        Proxy("parameters", rng.normal(size=n)),
    )
    return Scores("made & made", "loss", truth, proxies, np.exp(rng.normal(size=n)))


def test_intervals_stand_where_they_were_found() -> None:
    found = measure_agreement(scores(), bands=3, resamples=50)
    overall, inside = agreement_figure(found, 0.8).data
    assert (overall.name, inside.name) == ("overall", "inside 3 bands of equal latency")
    shown = [proxy for proxy in found.proxies if proxy.overall.tau]
    assert [proxy.name for proxy in shown] == ["short <b>", "parameters"]
    for place, proxy in enumerate(shown):
        tau = proxy.overall.tau
        assert overall.x[place] == tau.value
        assert overall.x[place] + overall.error_x.array[place] == pytest.approx(tau.high)
        assert overall.x[place] - overall.error_x.arrayminus[place] == pytest.approx(tau.low)
    assert [round(place) for place in overall.y] == [0, 2]
    assert all(one < two for one, two in zip(overall.y, inside.y, strict=True))


def test_without_bands_there_is_one_kind_of_figure() -> None:
    found = measure_agreement(scores(12), resamples=50)
    assert found.bands is None
    assert [trace.name for trace in agreement_figure(found, 0.5).data] == ["overall"]


def test_names_are_text_on_the_page() -> None:
    found = measure_agreement(scores(), resamples=20)
    page = agreement_html(found, (["proxy", "tau"], [["short <b>", "0.5"]]), ["a < b"], 0.8)
    assert "short &lt;b&gt;" in page and "a &lt; b" in page and "made &amp; made" in page
    assert "<b>" not in page.split("<script")[0]
