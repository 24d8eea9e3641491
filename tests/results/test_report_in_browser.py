"""The report in a real browser: pictures are drawn, a trial can be chosen in every way, and nothing is too wide."""

import json
import re
import shutil
import subprocess
from html import unescape
from typing import Any

import pytest

from nas_search.results.report import write_report
from nas_search.search.study import Study

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")

# Runs in the page once pictures are drawn; what it finds is left in an element of the page.
ACTIONS = """
<script>
const errors = [];
window.addEventListener("error", (event) => errors.push(event.message));
document.addEventListener("securitypolicyviolation", (event) => errors.push(event.blockedURI));
(async () => {
  const tell = () => document.querySelector("#chosen h3").textContent;
  const found = {};
  try {
    await pictures;
    await new Promise((done) => setTimeout(done, 300));
    const places = [...document.querySelectorAll("[data-picture]")];
    found.drawn = places.map((place) => place.querySelectorAll(".main-svg").length);
    found.first = tell();
    const links = document.querySelectorAll("table.trials a.trial");
    links[1].click();
    found.link = [links[1].textContent, tell(), location.hash];
    const field = document.querySelector(".chooser input");
    field.value = 2;
    field.dispatchEvent(new Event("change"));
    found.field = tell();
    const front = document.getElementById("front-figure");
    const trace = front.data.find((one) => one.name === "front, as searched");
    front.emit("plotly_click", { points: [{ customdata: trace.customdata[0] }] });
    found.point = [trace.customdata[0], tell()];
    found.marks = front.data.filter((one) => one.meta === "chosen").length;
    document.querySelector("[data-step='1']").click();
    found.next = [trace.customdata[1 % trace.customdata.length], tell()];
    location.hash = "#trial-3";
    await new Promise((done) => setTimeout(done, 100));
    found.address = tell();
    const heading = document.querySelector("table.trials th:nth-child(3)");
    heading.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter" }));
    const cells = [...document.querySelectorAll("table.trials tbody td:nth-child(3)")];
    found.sorted = cells.map((cell) => Number(cell.textContent));
    found.width = [document.documentElement.scrollWidth, document.documentElement.clientWidth];
    found.loaded = performance.getEntriesByType("resource").map((entry) => entry.name);
  } catch (error) {
    errors.push(String(error));
  }
  found.errors = errors;
  const place = document.createElement("pre");
  place.id = "found";
  place.textContent = JSON.stringify(found);
  document.body.append(place);
})();
</script>
"""


@pytest.fixture(scope="module")
def found(study: Study, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the page says after it was used, in a window as narrow as a browser lets it be."""
    assert CHROMIUM is not None
    page = tmp_path_factory.mktemp("browser") / "report.html"
    html = write_report(study).read_text(encoding="utf-8")
    page.write_text(html.replace("</body>", f"{ACTIONS}</body>"), encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--window-size=500,900", "--virtual-time-budget=20000"]
    profile = f"--user-data-dir={page.parent / 'profile'}"
    command = [CHROMIUM, *options, profile, "--dump-dom", page.as_uri()]
    dom = subprocess.run(command, capture_output=True, text=True, check=True, timeout=240).stdout
    left = re.search(r'<pre id="found">(.*?)</pre>', dom, re.DOTALL)
    assert left is not None, dom[-2000:]
    result: dict[str, Any] = json.loads(unescape(left[1]))
    return result


def test_pictures_are_drawn_without_an_error_and_without_a_network(found: dict[str, Any]) -> None:
    assert found["errors"] == []
    assert found["loaded"] == []
    assert len(found["drawn"]) == 4 and all(found["drawn"])


def test_a_trial_is_chosen_by_its_link_its_number_its_point_and_the_address(
    found: dict[str, Any], study: Study
) -> None:
    winner = study.winner()
    assert winner is not None
    assert found["first"].startswith(f"Trial {winner.number}: ")
    number, told, address = found["link"]
    assert told.startswith(f"Trial {number}: ") and address == f"#trial-{number}"
    assert found["field"].startswith("Trial 2: ")
    assert found["address"].startswith("Trial 3: ")
    for number, told in (found["point"], found["next"]):
        assert told.startswith(f"Trial {number}: ")
    assert found["marks"] >= 1


def test_tables_sort_by_keyboard(found: dict[str, Any], study: Study) -> None:
    assert found["sorted"] == sorted(found["sorted"])
    assert len(found["sorted"]) == len(study.records())


def test_the_page_itself_does_not_scroll_sideways(found: dict[str, Any]) -> None:
    scrolled, shown = found["width"]
    assert scrolled <= shown
