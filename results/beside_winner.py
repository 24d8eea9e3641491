"""What a front offers beside its winner, which is the slowest member where nothing limits the latency."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from nas_search.results.export.pick import parse_pick

if TYPE_CHECKING:
    from nas_search.search.study import Study


def beside_winner(study: Study) -> str | None:
    """The knee of the confirmed front held against the winner, and how it is had; both measured and trained alike.

    None where it is the winner, where a latency budget chose the winner, or without measurements.
    """
    winner, main = study.winner(), study.goals.main
    if winner is None or study.goals.main_limit is not None:
        return None
    knee = parse_pick("knee")(study)
    slow, fast = winner.measured(main.name), knee.measured(main.name)
    if knee.number == winner.number or slow is None or fast is None or not (winner.confirmed and knee.confirmed):
        return None
    ratio, run = slow.value / fast.value, shlex.quote(str(study.run_dir))
    more = knee.confirmed.bits_per_byte - winner.confirmed.bits_per_byte
    return (
        f"The winner has the lowest loss. Trial {knee.number}, the knee of the front, is measured to be {ratio:.2f} "
        f"times as fast and has {more:.4f} bits/byte more: nas-search export {run} --pick knee"
    )
