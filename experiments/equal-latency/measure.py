"""First stage: pure networks that are measured to be as fast as a winner, before anything is trained.

    python experiments/equal-latency/measure.py RUN|NOTATION [--workload decode:256] [--device cpu]

As in the paper a pure network has as many operators as the winner (one more where its depth is odd and a block has two;
fewer where even the narrowest is too slow) and is widened as far as it is measured to be no slower; then its FFNs, or
the states of Mamba-2 without FFNs, take up what is left between two widths. All candidates of a step are timed in turns
with the winner, several copies of each in several processes, and held against the winner process by process: a machine
that others use is slower in one than in the next. What was chosen is timed again, since the choice favours those that
were lucky; these figures are kept in ``recorded/networks.yaml``, from where train.py of experiments/studies takes the
networks. Nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml

from nas_search.cli.console import stderr
from nas_search.cli.progress import progress_bar
from nas_search.errors import InputError, RunError
from nas_search.files import write_text_atomic
from nas_search.profiler.device import Device, resolve_device
from nas_search.profiler.isolated import measure_isolated
from nas_search.profiler.measurement import Failure, Measurement
from nas_search.profiler.statistics import ClockName, Median, median_interval, shared_clock
from nas_search.profiler.timing import StopRule
from nas_search.profiler.workload import Workload
from nas_search.search.study import Study
from nas_search.space.architecture import Architecture

OUT = Path(__file__).parent / "recorded" / "networks.yaml"
WINNER = "winner"
BLOCKS = {
    "attention": "a f",
    "sliding window": "swa[window=64] f",
    "Mamba-2": "m2",
    "Mamba-2 + FFN": "m2 f",
    "DeltaNet": "d f",
    "Gated DeltaNet": "gd f",
    "GLA": "gla f",
}
TOLERANCE = 1.02
"""A pure network may be so many times as slow as the winner."""
WIDTH_STEP, WIDTHS = 32, 20
FFN_RATIO, FFN_STEP, STATE, STATE_STEP, FINE_STEPS = 3, 16, 32, 8, 40


SEARCHING, SEARCH_SITTINGS = StopRule(max_seconds=8.0), 5
"""While networks are looked for; what was found is timed longer and more often."""
TIMING, SITTINGS = StopRule(max_seconds=16.0), 12
COPIES = 4
"""Of each network in one process."""


class Timed(NamedTuple):
    """Milliseconds per token: the median of ``n`` copies and their quartiles, on wall clock or the device's own.

    ``ratio`` is the median over processes of this network's latency over the first one's in the same process, with its
    95 % interval.
    """

    latency_ms: float
    low: float
    high: float
    n: int
    clock: ClockName
    ratio: Median


Measure = Callable[[Sequence[Architecture]], Sequence[Timed]]
"""Times networks in turns."""


class Shape(NamedTuple):
    """A pure network: how many blocks, its width in steps, and the steps by which its FFNs or states are larger."""

    blocks: int
    width: int
    fine: int = 0

    def network(self, block: str, like: Architecture) -> Architecture:
        """With the vocabulary and the head of another."""
        width = self.width * WIDTH_STEP
        if block.endswith(" f"):
            text = f"{block}[hidden={FFN_RATIO * width + FFN_STEP * self.fine}]"
        else:
            text = f"{block}[state={STATE + STATE_STEP * self.fine}]"
        network = Architecture.parse(f"w{width} ({text})x{self.blocks}")
        return network.model_copy(update={"vocabulary": like.vocabulary, "tied_head": like.tied_head})


def equally_fast(winner: Architecture, measure: Measure) -> dict[str, Architecture]:
    """By name of its mixer the largest network that is no slower than the winner; those that cannot be are missing."""
    narrowest = {name: Shape(_blocks(winner, block), 1) for name, block in BLOCKS.items()}
    found: dict[str, Shape] = {}
    while narrowest:
        fits = _fits(narrowest, winner, measure)
        found |= {name: shape for name, shape in narrowest.items() if fits[name]}
        shorter = {name: shape._replace(blocks=shape.blocks - 1) for name, shape in narrowest.items() if not fits[name]}
        narrowest = {name: shape for name, shape in shorter.items() if shape.blocks}
    found = _enlarged(found, "width", WIDTHS, winner, measure)
    found = _enlarged(found, "fine", FINE_STEPS, winner, measure)
    return {name: found[name].network(block, winner) for name, block in BLOCKS.items() if name in found}


def _blocks(winner: Architecture, block: str) -> int:
    """As deep as the winner; one operator deeper where its depth is odd and a block has two."""
    return ceil(winner.depth / len(block.split()))


def _enlarged(
    shapes: Mapping[str, Shape], size: str, most: int, winner: Architecture, measure: Measure
) -> dict[str, Shape]:
    """Each with the greatest ``size``, at most ``most``, that is no slower than the winner; by bisection."""
    low = {name: getattr(shape, size) for name, shape in shapes.items()}
    high = dict.fromkeys(shapes, most + 1)
    while open_ones := [name for name in shapes if high[name] - low[name] > 1]:
        middle = {name: (low[name] + high[name]) // 2 for name in open_ones}
        tried = {name: shapes[name]._replace(**{size: middle[name]}) for name in open_ones}
        for name, fits in _fits(tried, winner, measure).items():
            (low if fits else high)[name] = middle[name]
    return {name: shape._replace(**{size: low[name]}) for name, shape in shapes.items()}


def _fits(shapes: Mapping[str, Shape], winner: Architecture, measure: Measure) -> dict[str, bool]:
    networks = [shape.network(BLOCKS[name], winner) for name, shape in shapes.items()]
    _, *timed = measure([winner, *networks])
    return {name: one.ratio.value <= TOLERANCE for name, one in zip(shapes, timed, strict=True)}


def measured(
    workload: Workload, device: Device, stop: StopRule, sittings: int, architectures: Sequence[Architecture]
) -> list[Timed]:
    """End to end, copies of all networks in turns, in several processes. Raises RunError for one that cannot be.

    Several copies, since the interval of one does not show by how much copies differ.
    """
    rows = [sitting(workload, device, stop, architectures) for _ in range(sittings)]
    values = np.array([[one.value for one in row] for row in rows]).reshape(sittings, COPIES, len(architectures))
    medians = np.median(values, axis=1)
    clock = shared_clock(one.clock for row in rows for one in row)
    timed = []
    for index in range(len(architectures)):
        low, middle, high = np.percentile(values[..., index], [25, 50, 75]).tolist()
        ratio = median_interval(medians[:, index] / medians[:, 0])
        timed.append(Timed(middle, low, high, sittings * COPIES, clock, ratio))
    return timed


def sitting(
    workload: Workload, device: Device, stop: StopRule, architectures: Sequence[Architecture]
) -> list[Measurement]:
    """All networks, and once more for each copy, in one process. Raises RunError for one that cannot be measured."""
    copies = [*architectures] * COPIES
    with progress_bar(stderr(), f"timing {len(architectures)} networks") as report:
        outcomes = measure_isolated(copies, workload, device=device, seed=0, stop=stop, progress=report)
    for architecture, outcome in zip(copies, outcomes, strict=True):
        if isinstance(outcome, Failure):
            raise RunError(f"{architecture.notation}: {outcome.reason}")
    return [outcome for outcome in outcomes if isinstance(outcome, Measurement)]


def winner_of(text: str) -> Architecture:
    """A network in notation, or the winner of a run."""
    if not Path(text).is_dir():
        return Architecture.parse(text)
    record = Study.open(Path(text)).winner()
    if record is None:
        raise InputError(f"{text}: this run has no winner yet")
    return Architecture.parse(record.architecture)


def freeze(
    winner: Architecture, workload: str, device: str, measure: Measure, measure_again: Measure, out: Path
) -> None:
    """Find the networks, time them once more, write them."""
    networks = {WINNER: winner, **equally_fast(winner, measure)}
    timed = measure_again(list(networks.values()))
    rows = {
        name: {"architecture": network.notation, "parameters": network.parameters, **_row(one)}
        for (name, network), one in zip(networks.items(), timed, strict=True)
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    document = {"workload": workload, "device": device, "networks": rows}
    write_text_atomic(out, yaml.safe_dump(document, sort_keys=False, width=1000))
    for name, row in rows.items():
        ratio = "{value:.3f} [{low:.3f}, {high:.3f}]".format_map(row["ratio"])
        print(f"{name:16} {row['latency_ms']:.4g} ms, {ratio} of the winner's  {row['architecture']}")
    missing = [name for name in BLOCKS if name not in networks]
    if missing:
        print(f"slower than the winner at any size: {', '.join(missing)}")


def _row(timed: Timed) -> dict[str, Any]:
    return {**timed._asdict(), "ratio": timed.ratio._asdict()}


def main(arguments: Sequence[str], out: Path = OUT) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("winner", help="a run directory or a notation")
    parser.add_argument("--workload", default="decode:256", help="what is timed (default: decode:256)")
    parser.add_argument("--device", default="cpu", help="where (default: cpu)")
    options = parser.parse_args(arguments)
    if out.exists():
        raise InputError(f"{out}: there already; delete it to measure again, trainings of other networks stay")
    device = resolve_device(options.device)
    workload = Workload.parse(options.workload, device.default_dtype)
    if not workload.is_latency:
        raise InputError(f"--workload {workload}: not a latency; give decode, prefill or generate")
    quickly = partial(measured, workload, device, SEARCHING, SEARCH_SITTINGS)
    well = partial(measured, workload, device, TIMING, SITTINGS)
    freeze(winner_of(options.winner), str(workload), device.description, quickly, well, out)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (InputError, RunError) as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        sys.exit(2 if isinstance(error, InputError) else 1)
