"""report.html: well-formed, self-contained, complete, honest."""

import json
import re
from dataclasses import replace
from html import escape, unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from packed_page import unpacked
from study_maker import CHECK, make_study

from nas_search.results import figures
from nas_search.results.outcomes import over_limits
from nas_search.results.report import report_html, write_report
from nas_search.results.view import RunView
from nas_search.search.lock import RunLock
from nas_search.search.prior import Prior, PriorRun
from nas_search.search.study import Study

VOID = {"meta", "br", "input"}


class Page(HTMLParser):
    """Checks nesting; keeps attributes, visible text, styles and scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.content: dict[str, list[str]] = {"style": [], "script": [], "text": []}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        inside = self.open[-1] if self.open and self.open[-1] in self.content else "text"
        self.content[inside].append(data)

    @property
    def text(self) -> str:
        return " ".join(self.content["text"])


@pytest.fixture(scope="module")
def html(study: Study) -> str:
    return write_report(study).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def report_of(study: Study) -> str:
    return Page(write_report(study).read_text(encoding="utf-8")).text


def test_elements_are_closed_in_order(page: Page) -> None:
    assert page.open == []


def test_nothing_is_loaded_from_anywhere(page: Page) -> None:
    assert not [found for found in page.attributes if found[1] in {"src", "srcset", "action", "data"}]
    assert all(value.startswith("#trial-") for _, name, value in page.attributes if name == "href")
    styles = " ".join(page.content["style"] + [value for _, name, value in page.attributes if name == "style"])
    assert not re.search(r"@import|url\(", styles)
    assert any("default-src 'none'" in value for tag, _, value in page.attributes if tag == "meta")


def test_plotly_is_inlined_once_and_compressed(html: str) -> None:
    assert "plotly.js v" not in html
    assert "plotly.js v" in unpacked(html, "plotly")
    assert 1.5e6 < len(html) < 2.5e6


def test_every_trial_is_in_the_page(html: str, page: Page, study: Study) -> None:
    for record in study.records():
        assert f"<code>{escape(record.architecture)}</code>" in html
    rows = re.findall(r'<tr id="trial-(\d+)">', html)
    assert [int(number) for number in rows] == [record.number for record in study.records()]


def test_strings_of_the_user_are_escaped(html: str, page: Page) -> None:
    body = html[html.index("<body") :]
    assert "Example CPU &lt;16 cores&gt; &amp; more" in body
    assert "<16 cores>" not in body
    assert "<at step 3>" not in body
    assert "<at step 3> & stopped" in unescape(page.text)


def test_confirmed_figures_stand_beside_predicted_ones(page: Page, study: Study) -> None:
    winner = study.winner()
    assert winner is not None and winner.confirmed is not None
    for value in (winner.latency_ms, winner.confirmed.latency.value, winner.confirmed.latency.low):
        assert f"{value:#.4g}" in page.text
    for score in winner.confirmed.scores:
        assert f"{score.bits_per_byte:.4f}" in page.text


def test_table_error_settings_and_provenance_are_told(page: Page, study: Study) -> None:
    for share in (
        CHECK.mape_raw,
        CHECK.mape_calibrated,
        CHECK.mape_depth_only,
        CHECK.mape_parameters_only,
        CHECK.mape_rerun,
    ):
        assert f"{100 * share:.1f} %" in page.text
    assert f"n = {CHECK.n}" in page.text
    assert study.facts is not None
    for fact in (
        study.facts.corpus,
        study.table.hash[:16],
        study.table.device.id,
        "21,845 → 65,536 → 196,608",
        "612.8",
    ):
        assert fact in page.text
    assert f"--config {study.run_dir}/config.yaml" in page.text


def test_a_finished_run_has_no_notice(page: Page) -> None:
    assert "unfinished" not in page.text


def test_an_unfinished_run_says_so(tmp_path: Path) -> None:
    text = report_of(make_study(tmp_path, proposals=12, confirm=False, unfinished=True))
    assert "This run is unfinished: " in text and f"nas-search resume {tmp_path}" in text
    assert "No winner yet" in text
    assert "none of them is confirmed" in text


def test_a_study_without_feasible_trials_says_so(tmp_path: Path) -> None:
    text = report_of(make_study(tmp_path, proposals=12, limit_ms=0.01))
    assert "All 12 proposals are predicted to miss a limit; the nearest is" in text
    fastest = min(Study.open(tmp_path).records(), key=lambda record: record.latency_ms)
    assert f"The fastest is trial {fastest.number}, {fastest.architecture}, with a predicted" in text
    assert "nothing to draw" in text


def test_a_winner_over_the_budget_is_told(tmp_path: Path) -> None:
    study = make_study(tmp_path)
    assert study.facts is not None
    study.facts = study.facts.model_copy(update={"limits": ("decode:256<=0.01ms",)})
    study.goals = study.facts.goals
    assert "no confirmed member is within all limits" in report_of(study)


def test_further_objectives_and_limits_are_told_with_their_sources(three: Study) -> None:
    html = write_report(three).read_text(encoding="utf-8")
    text = Page(html).text
    assert "decode:256, ms/token; loss, bits per byte; throughput:1024, tokens/s" in text
    assert "decode:256 ≤ 1.000 ms/token (1.0ms); memory:1024 ≤ 3.000 MiB" in text
    assert html.count('data-picture=""') == 5
    for record in three.front():
        predicted = figures.significant(record.figures["throughput:1024"])
        assert f'label="throughput:1024, tokens/s predicted (table)">{predicted}<' in html
        measured = record.measured("memory:1024")
        shown = figures.NONE if measured is None else figures.significant(measured.value)
        assert f'label="memory:1024, MiB measured">{shown}<' in html
    over = next(record for record in three.records() if record.state == "over_limit")
    assert over_limits(over, three.goals) in text
    assert any("memory:1024" in over_limits(record, three.goals) for record in three.records())


def test_an_older_report_is_replaced_whole(tmp_path: Path) -> None:
    study = make_study(tmp_path, proposals=6)
    (tmp_path / "report.html").write_text("old")
    assert write_report(study) == tmp_path / "report.html"
    assert not list(tmp_path.glob(".report*"))
    assert (tmp_path / "report.html").read_text(encoding="utf-8").endswith("</html>\n")


def test_every_trial_says_which_network_was_trained(remote: Study, study: Study) -> None:
    html = write_report(remote).read_text(encoding="utf-8")
    assert all(f"<code>{record.scored_as}</code>" in html for record in remote.records())
    assert "trained as" not in write_report(study).read_text(encoding="utf-8")


@pytest.mark.parametrize("source", ["table", "estimate"])
def test_what_was_not_measured_says_where_it_is_from(tmp_path: Path, source: Any) -> None:
    study = make_study(tmp_path, proposals=12, elsewhere=source)
    html = write_report(study).read_text(encoding="utf-8")
    winner = study.winner()
    assert winner is not None
    latency = figures.significant(winner.latency_ms)
    assert f"<strong>{latency}</strong><span>ms/token, predicted ({source})</span><small>not measured</small>" in html
    assert f'label="decode:256, ms/token predicted ({source})">{latency}<' in html
    assert f"ms/token, predicted ({source})</th>" in html
    assert "trained again (bars: range over seeds), not measured" in html
    assert "measured end to end and trained" not in html
    assert 'label="decode:256, ms/token measured"' not in html


def test_a_report_tells_what_was_trained_in_another_run(study: Study) -> None:
    view = RunView.of(study)
    first = next(record for record in view.records if record.state == "complete")
    taken_over = first.model_copy(update={"reused": True, "seconds": 0.0})
    records = tuple(taken_over if record is first else record for record in view.records)
    run = PriorRun(name="runs/<a>", same_score=False, outside=2, trials=())
    text = Page(report_html(replace(view, records=records, prior=Prior(runs=(run,))))).text
    assert "warm start 0 trials of runs/<a> (another score, it only informs), 2 architectures not in this space" in text
    assert f"{view.trained - 1} trained, 1 trained in a run that this one was warm-started from" in text
    assert " reused " in text
    cold = report_of(study)
    assert "reused" not in cold and "warm start" not in cold


def test_all_figures_are_on_the_page_for_plotly(html: str, study: Study) -> None:
    for name in re.findall(r'<div id="([^"]+)" class="figure"[^>]*data-picture', html):
        assert {"data", "layout"} <= set(json.loads(unpacked(html, f"{name}-data")))
    front = json.loads(unpacked(html, "front-figure-data"))
    numbers = {number for trace in front["data"] for number in trace.get("customdata", [])}
    scored = [record for record in study.records() if record.bits_per_byte and record.state != "duplicate"]
    drawn = {r.number for r in (*scored, *(r for r in study.records() if r.state == "over_limit"))}
    assert numbers == drawn


def test_every_trial_can_be_chosen(html: str, study: Study) -> None:
    chosen = json.loads(unpacked(html, "study"))
    assert set(chosen["details"]) == {str(record.number) for record in study.records()}
    assert chosen["anchor"] == study.winner().number
    assert chosen["front"] == [record.number for record in study.front()]
    for record in study.records():
        assert f"<code>{escape(record.architecture)}</code>" in chosen["details"][str(record.number)]
    assert chosen["details"][str(chosen["anchor"])] in html


def test_a_running_search_is_told_and_the_page_comes_again(tmp_path: Path) -> None:
    study = make_study(tmp_path, proposals=12, trials=12, confirm=False, unfinished=True)
    with RunLock(tmp_path / "run.lock"):
        html = write_report(study).read_text(encoding="utf-8")
    trained = sum(record.trained_here for record in study.records())
    assert re.search(rf"Running: {trained} of 12 trials, written at \d\d:\d\d:\d\d UTC", html)
    assert '<noscript><meta http-equiv="refresh"' in html
    assert json.loads(unpacked(html, "study"))["running"] is True
    assert "unfinished" not in Page(html).text


def test_once_nobody_searches_the_page_stays_as_it_is(html: str) -> None:
    assert 'http-equiv="refresh"' not in html
    assert json.loads(unpacked(html, "study"))["running"] is False


def test_no_trials_yet(tmp_path: Path) -> None:
    text = report_of(make_study(tmp_path, proposals=0, confirm=False))
    assert "Nothing was proposed yet." in text
    assert "nothing to draw" in text
    assert "This run is unfinished: 0 of 1 trials" in text


def test_a_running_trial_alone(tmp_path: Path) -> None:
    text = report_of(make_study(tmp_path, proposals=1, confirm=False, unfinished=True))
    assert "1 proposals, and none of them has ended" in text


def test_where_all_failed_the_report_says_so(study: Study) -> None:
    view = RunView.of(study)
    failed = tuple(
        record.model_copy(
            update={"state": "failed", "bits_per_byte": None, "reason": "out of memory", "confirmed": None}
        )
        for record in view.records
    )
    bare = replace(view, records=failed, front=(), winner=None)
    text = Page(report_html(bare)).text
    assert f"None of the {len(failed)} proposals kept the limits and finished training" in text
    assert text.count("out of memory") >= len(failed)


def test_many_trials_are_folded(tmp_path: Path) -> None:
    assert "<details open" in write_report(make_study(tmp_path, proposals=4)).read_text(encoding="utf-8")
    (tmp_path / "many").mkdir()
    study = make_study(tmp_path / "many", proposals=61, confirm=False)
    assert "<details><summary>61 proposals" in write_report(study).read_text(encoding="utf-8")
