"""What others called their things, in reports, cards and notes: text, whatever it looks like."""

import json
import re
import sys
from pathlib import Path

import pytest

from nas_search.profiler.table import LatencyTable
from nas_search.results.card import winner_card
from nas_search.results.markdown import inline, rows
from nas_search.results.report import write_report
from nas_search.search.study import Study

SCRIPT = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"
MARKDOWN = f"a | b `code` [link](javascript:alert(1)) {SCRIPT}"


@pytest.fixture
def spoiled(run: Path) -> Study:
    """A run whose device, kernels, text, space and reasons are scripts."""
    table = LatencyTable.load(run / "table.parquet")
    fingerprint = {**table.info.device.fingerprint, "cpu": MARKDOWN}
    device = table.info.device.model_copy(update={"fingerprint": fingerprint})
    info = table.info.model_copy(update={"device": device, "kernels": (MARKDOWN,), "space": MARKDOWN})
    LatencyTable(info, table.cells).save(run / "table.parquet")
    for name, key in (("config.yaml", "data"), ("space.yaml", "name")):
        text = (run / name).read_text()
        (run / name).write_text(re.sub(rf"^{key}: .*$", f"{key}: {json.dumps(MARKDOWN)}", text, flags=re.M))
    journal = run / "study.journal"
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    told = next(line for line in lines if "outcome" in line.get("user_attr", {}))
    told["user_attr"]["outcome"] |= {"state": "failed", "reason": MARKDOWN, "bits_per_byte": None, "told_loss": None}
    journal.write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines))
    return Study.open(run)


def test_a_report_runs_no_script_of_others(spoiled: Study) -> None:
    sys.path.insert(0, str(Path(__file__).parents[1] / "results"))
    from packed_page import unpacked

    page = write_report(spoiled).read_text()
    inside = unpacked(page, "study")
    assert "&lt;img src=x" in page + inside, "it is shown"
    for text in (page, inside):
        assert "<img src=x" not in text and "<script>alert" not in text
    assert "default-src &#x27;none&#x27;" in page


def test_a_card_keeps_to_its_cells(spoiled: Study) -> None:
    winner = spoiled.winner()
    assert winner is not None and winner.confirmed is not None
    card = winner_card(spoiled, winner, winner.confirmed, 'runs/a "b"\\c/winner')
    table = [line for line in card.splitlines() if line.startswith("| ")]
    assert all(len(re.findall(r"(?<!\\)\|", line)) == 3 for line in table)
    assert "<script" not in card and "<img" not in card and "[link](" not in card.replace("\\[link](", "")
    code = card.split("```python\n")[1].split("```")[0]
    assert 'nas_search.load("runs/a \\"b\\"\\\\c/winner")' in code
    compile(code, "README.md", "exec")


def test_notes_of_the_dashboard_hold_no_markup(spoiled: Study) -> None:
    from nas_search.results.dashboard.mirror import Mirror

    mirror = Mirror(spoiled.run_dir)
    for note in (mirror.note(0), mirror.note(1), str(mirror.storage.get_study_system_attrs(mirror.study_id))):
        outside = re.sub(r"`[^`]*`", "", note)
        assert "<img" not in outside and "](javascript" not in outside


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a | b", "a \\| b"),
        ("a\nb\n\n# c", "a b # c"),
        ("<script>", "&lt;script>"),
        ("`rm`", "'rm'"),
        ("[a](b)", "\\[a](b)"),
        ("\x1b[2J", "\ufffd\\[2J"),
        ("3.2 ms (n = 41), é", "3.2 ms (n = 41), é"),
    ],
)
def test_words_in_a_table(text: str, shown: str) -> None:
    assert inline(text) == shown
    assert rows([("name", text)]) == f"| name | {shown} |"
