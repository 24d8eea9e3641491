"""Cells in which files of a run are damaged while nobody looks: cut, flipped, emptied, left over."""

from __future__ import annotations

from collections.abc import Iterator

import moments
from cell import KILLED, Cell, Change, Command, Fault, Kind, Moment, Sitting, Step
from changes import append, cut_in_half, cut_last, empty, flip, flip_after, link, remove
from kinds import FAKE, REAL

JOURNAL, TABLE, CONFIG, EVENTS = "study.journal", "table.parquet", "config.yaml", "events.jsonl"
RESULT, CONFIRMATIONS, WEIGHTS = "jobs/*-rung0.json", "confirmations.json", "checkpoints/*-confirm-*.safetensors"
TRUNK = "checkpoints/*/trunk.safetensors"
COPIED = r"table\.parquet: .*remove it, and the same search copies .* again"
HALF = r"begun with \w+: |config\.yaml: "
"""What is left may be another configuration, or none."""
LATE_TELL = moments.AT_TELL._replace(name="at a later tell", nth=11)


def cells() -> Iterator[Cell]:
    """All of them."""
    yield _healed("torn journal", moments.AT_TELL, cut_last(JOURNAL, 9))
    yield _healed("journal torn to a line of garbage", moments.AT_TELL, append(JOURNAL, b'{"op_code": 6, "tri\n'))
    yield _healed("journal cut in half", LATE_TELL, cut_in_half(JOURNAL))
    yield _healed("journal emptied", LATE_TELL, empty(JOURNAL))
    yield _healed("journal's lock left", moments.BETWEEN_RUNGS, link(f"{JOURNAL}.lock", JOURNAL))
    yield _refused("flipped bit in the journal", LATE_TELL, flip(JOURNAL, 0.5), r"study\.journal: damaged", JOURNAL)

    yield _refused("truncated table", moments.BETWEEN_RUNGS, cut_in_half(TABLE), COPIED, TABLE)
    yield _refused("flipped bit in the table", moments.BETWEEN_RUNGS, flip(TABLE, 0.3), COPIED, TABLE)

    yield _healed("truncated checkpoint", moments.MID_HIGHER_RUNG, cut_in_half(TRUNK), REAL)
    yield _healed("flipped bit in a checkpoint", moments.MID_HIGHER_RUNG, flip(TRUNK, 0.7), REAL)

    yield _healed("truncated events", moments.AT_TELL, cut_last(EVENTS, 5))
    yield _healed("events are garbage", moments.AT_TELL, append(EVENTS, b"\xff\xfe{[[[\n\x00"))

    yield _refused("truncated configuration", moments.AT_TELL, cut_in_half(CONFIG), HALF, CONFIG)
    yield _refused("emptied configuration", moments.AT_TELL, empty(CONFIG), r"config\.yaml: .*remove the file", CONFIG)
    yield _refused(
        "configuration with another seed",
        moments.AT_TELL,
        flip_after(CONFIG, b"\nseed: "),
        "begun with seed: 1",
        CONFIG,
    )
    yield _refused("truncated space", moments.AT_TELL, cut_in_half("space.yaml"), r"space\.yaml: ", "space.yaml")

    yield _healed("truncated result", moments.BETWEEN_RUNGS, cut_in_half(RESULT, loses="{stem}"))
    yield _healed(
        "flipped bit in a result",
        moments.BETWEEN_RUNGS,
        flip_after(RESULT, b'"bits_per_byte": ', loses="{stem}"),
    )

    again = Command(("front", "{run}"), 2, r"confirmations\.json: damaged; remove it, and 'nas-search resume")
    refused = Sitting(exit_code=1, says="weights are damaged; without that file the same search trains them again")
    yield _after_end("truncated confirmations", cut_in_half(CONFIRMATIONS), again)
    yield _after_end("flipped bit in confirmations", flip(CONFIRMATIONS, 0.02), again)
    yield _after_end("flipped bit in a confirmed loss", flip_after(CONFIRMATIONS, b'"bits_per_byte": '), again)
    yield _after_end("flipped bit in confirmed weights", flip(WEIGHTS, 0.98), refused, remove(WEIGHTS, loses="{stem}"))
    yield _after_end("confirmed weights gone", remove(WEIGHTS, loses="{stem}"))


def _healed(name: str, at: Moment, damage: Change, kind: Kind = FAKE) -> Cell:
    """The same command goes on by itself."""
    return Cell(name, at.name, kind, (_killed(at), damage))


def _refused(name: str, at: Moment, damage: Change, says: str, file: str) -> Cell:
    """Bad input that names the file; without the file the same command goes on."""
    steps: tuple[Step, ...] = (_killed(at), damage, Sitting(exit_code=2, says=says), remove(file))
    return Cell(name, at.name, FAKE, steps)


def _after_end(name: str, damage: Change, *then: Step) -> Cell:
    return Cell(name, "after the end", FAKE, (Sitting(), damage, *then))


def _killed(at: Moment) -> Sitting:
    return Sitting((Fault("signal driver", at, amount=-KILLED),), KILLED)
