"""The moments at which something breaks, and what they are called."""

from __future__ import annotations

from cell import Moment

_JOURNAL = r"^study\.journal$"

RECORDING = Moment("recording the table", "worker", "progress", "^table$", 2)
TABLE_STORED = Moment("table recorded", "worker", "stored", "^table$")
FIRST_TRIAL = Moment("before the first trial", "driver", "open", _JOURNAL)
TOLD = Moment("trial told", "driver", "open", r"^events\.jsonl$", 4, within="_tell")
PROPOSING = Moment("proposing", "driver", "open", _JOURNAL, 9, within="write_candidate")
RUNG_BEGINS = Moment("rung begins", "worker", "job", "-rung0$", 3)
MID_RUNG = Moment("mid-rung", "worker", "progress", "-rung0$", 7)
MID_HIGHER_RUNG = Moment("mid-rung, second rung", "worker", "progress", "-rung1$", 3)
CHECKPOINT = Moment("writing a checkpoint", "worker", "rename", r"/trunk\.safetensors$", 3)
OPENING_CHECKPOINT = Moment("writing a checkpoint", "worker", "open", r"/\.trunk\.safetensors", 3)
WRITING_RESULT = Moment("writing a result", "worker", "rename", r"^jobs/.*-rung0\.json$", 3)
BETWEEN_RUNGS = Moment("between rungs", "worker", "stored", "-rung0$", 3)
AT_TELL = Moment("at tell", "driver", "open", _JOURNAL, 5, within="tell")
MEASURING = Moment("confirm, measuring", "worker", "job", "^measure-")
CONFIRM_TRAINING = Moment("confirm, training", "worker", "progress", "-confirm-", 3)
CONFIRMED_WEIGHTS = Moment("confirm, writing weights", "worker", "open", r"^checkpoints/\..*-confirm-.*\.safetensors")
WRITING_CONFIRMATIONS = Moment("writing confirmations", "driver", "rename", r"^confirmations\.json$")
INSIDE_WINNER = Moment("filling the winner", "driver", "rename", r"^\.winner\..*/README\.md$")
WRITING_WINNER = Moment("putting the winner in place", "driver", "rename", "^winner$")
OPENING_REPORT = Moment("writing the report", "driver", "open", r"^\.report\.html\.", 3)
WRITING_REPORT = Moment("writing the report", "driver", "rename", r"^report\.html$", 3)
