"""The dashboard in a headless Chromium: it draws, it asks nobody else, and it looks as it should.

Screenshots are kept in the folder that NAS_SEARCH_SCREENSHOTS names, else in pytest's own.
"""

import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from study_maker import make_study

from nas_search.results.dashboard.app import dashboard_app
from nas_search.results.dashboard.mirror import Mirror
from nas_search.results.dashboard.server import address, make_server
from nas_search.results.report import write_report
from nas_search.search.study import Study

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright, which the extra dev has")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
SECONDS = 60_000
FRONT = '[id="user-defined-plot:front"]'


class Visit(NamedTuple):
    """A page, and what it asked for and complained of since it was opened."""

    page: Any
    asked: list[str]
    complaints: list[str]

    def hosts(self) -> set[str]:
        return {urlsplit(url).netloc for url in self.asked if urlsplit(url).scheme not in {"data", "blob"}}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A finished run with two limits and a report."""
    found = make_study(tmp_path_factory.mktemp("shown"), proposals=60, limits=["memory:1024<=3MiB"])
    write_report(found)
    return found


@pytest.fixture(scope="module")
def site(study: Study) -> Iterator[str]:
    with make_server(dashboard_app(Mirror(study.run_dir)), "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield address(server)
        server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def screenshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    named = os.environ.get("NAS_SEARCH_SCREENSHOTS")
    folder = Path(named) if named else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def visit(browser: Any, url: str, size: dict[str, int], **options: Any) -> Visit:
    """Open a page; requests to other hosts are noted, and go nowhere."""
    context = browser.new_context(viewport=size, **options)
    host = urlsplit(url).netloc
    context.route(lambda asked: urlsplit(asked).netloc != host, lambda route: route.abort())
    page = context.new_page()
    page.set_default_timeout(SECONDS)
    found = Visit(page, [], [])
    page.on("request", lambda request: found.asked.append(request.url))
    page.on("console", lambda line: found.complaints.append(line.text) if line.type == "error" else None)
    page.on("pageerror", lambda error: found.complaints.append(str(error)))
    page.goto(url)
    return found


def wait_for_front(page: Any) -> None:
    page.locator(f"{FRONT} .scatterlayer .point").last.wait_for()
    page.wait_for_load_state("networkidle")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_front_is_seen_first_and_no_other_host_is_asked(
    browser: Any, site: str, study: Study, screenshots: Path, scheme: str
) -> None:
    found = visit(browser, f"{site}/dashboard/studies/0", DESKTOP, color_scheme=scheme)
    page = found.page
    wait_for_front(page)
    page.screenshot(path=screenshots / f"dashboard-{scheme}.png", full_page=True)
    box = page.locator(FRONT).bounding_box()
    assert box["y"] + box["height"] < DESKTOP["height"] and box["width"] > 1000
    texts = page.locator(f"{FRONT} text").all_text_contents()
    assert f"Front: {len(study.front())} of 60 trials" in texts
    assert {"limit", "over a limit, not trained", "front, confirmed"} <= set(texts)
    drawn = page.locator(f"{FRONT} .scatterlayer .point").count()
    assert drawn >= sum(record.bits_per_byte is not None and record.state != "duplicate" for record in study.records())
    assert found.hosts() == {urlsplit(site).netloc}
    assert not found.complaints
    page.context.close()


def test_limits_are_seen_on_the_page_of_a_trial(browser: Any, site: str, study: Study, screenshots: Path) -> None:
    over = next(record for record in study.records() if record.state == "over_limit")
    found = visit(browser, f"{site}/dashboard/studies/0/trials?numbers={over.number}", DESKTOP)
    note = found.page.get_by_text("(infeasible), as predicted.").first
    note.wait_for()
    assert note.is_visible()
    assert found.page.get_by_text(over.architecture, exact=True).first.is_visible()
    found.page.screenshot(path=screenshots / "dashboard-trial.png")
    with found.page.expect_download() as download:
        found.page.get_by_label("download artifact").first.click()
    assert download.value.suggested_filename == "architecture.yaml"
    assert found.hosts() == {urlsplit(site).netloc} and not found.complaints
    found.page.context.close()


def test_nothing_is_offered_that_would_be_refused(browser: Any, site: str) -> None:
    found = visit(browser, f"{site}/dashboard/studies/0", DESKTOP)
    wait_for_front(found.page)
    found.page.get_by_label("download artifact").first.wait_for()
    for label in ("delete artifact", "rename study", "delete study"):
        assert not any(one.is_visible() for one in found.page.get_by_label(label).all())
    assert not found.page.get_by_text("Upload a New File").is_visible()
    found.page.context.close()


def test_the_report_is_opened_from_the_note(browser: Any, site: str, study: Study, screenshots: Path) -> None:
    found = visit(browser, f"{site}/dashboard/studies/0/note", DESKTOP)
    link = found.page.get_by_role("link", name="report.html")
    link.wait_for()
    found.page.screenshot(path=screenshots / "dashboard-note.png")
    link.click()
    found.page.locator("#front-figure .main-svg").first.wait_for()
    assert found.page.title() == f"nas-search: {study.run_dir.name}"
    assert found.hosts() == {urlsplit(site).netloc}
    found.page.context.close()


@pytest.mark.parametrize(("name", "page"), [("front", ""), ("trial", "/trials?numbers=3"), ("note", "/note")])
def test_a_phone_scrolls_down_and_not_sideways(
    browser: Any, site: str, screenshots: Path, name: str, page: str
) -> None:
    found = visit(browser, f"{site}/dashboard/studies/0{page}", PHONE, device_scale_factor=2)
    if name == "front":
        wait_for_front(found.page)
        box = found.page.locator(FRONT).bounding_box()
        assert box["width"] > 240 and box["x"] + box["width"] <= PHONE["width"]
    else:
        found.page.locator(".MuiCardContent-root table").first.wait_for()
    found.page.screenshot(path=screenshots / f"dashboard-phone-{name}.png", full_page=True)
    assert found.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    found.page.context.close()
