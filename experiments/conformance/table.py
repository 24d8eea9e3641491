"""How far operators are from what the conformance suite asks of them.

    python experiments/conformance/table.py [NOTATION ...]

Every registered operator with its defaults, or the given ones. A cell is the worst error over the lengths and regimes
of the suite, in one run on a CPU; counts and forms are ``exact`` or not. Red is over the bound, and then the exit code
is 1. The last line is one JSON document, with ``null`` for an error that is no finite number.
"""

from __future__ import annotations

import argparse
import math
import sys
from itertools import chain, product

import torch
from rich.progress import track
from rich.table import Column, Table
from rich.text import Text

from nas_search.cli.console import print_json, stderr, stdout
from nas_search.errors import InputError
from nas_search.space.notation import parse_operator
from nas_search.space.operators import conformance
from nas_search.space.operators.base import OperatorSpec
from nas_search.space.operators.conformance import (
    EQUAL,
    FLOAT32,
    HALF,
    LENGTHS,
    REGIMES,
    SAME,
    STEP_FLOAT32,
    STEP_HALF,
    worst,
)
from nas_search.space.operators.registry import operator_types

BOUNDS = {
    "forward against the recurrence": EQUAL,
    "gradient by the input": EQUAL,
    "gradient by the weights": EQUAL,
    "steps against forward, float64": EQUAL,
    "steps against forward, float32": STEP_FLOAT32,
    "float32 against float64": FLOAT32,
    "bfloat16 against float32": HALF,
    "steps against forward, bfloat16": STEP_HALF,
    "prefill, then steps": EQUAL,
    "causality": SAME,
    "steps under a mask": SAME,
    "state used before": 0.0,
    "parameters counted": 0.0,
    "state counted": 0.0,
    "FLOPs counted": 0.0,
    "spec reads back": 0.0,
}

Errors = dict[str, float]


def errors_of(spec: OperatorSpec) -> Errors:
    """The worst error of each check, in the order of ``BOUNDS``."""
    references = [conformance.reference_errors(spec, *case) for case in product(LENGTHS, REGIMES)]
    errors = (
        worst(error.output for error in references),
        worst(error.input_gradient for error in references),
        worst(error.weight_gradient for error in references),
        worst(conformance.step_error(spec, 100, regime) for regime in REGIMES),
        worst(conformance.step_error(spec, length, dtype=torch.float32) for length in LENGTHS),
        worst(conformance.float32_error(spec, regime) for regime in REGIMES),
        conformance.half_error(spec),
        conformance.half_step_error(spec),
        worst(conformance.prefill_error(spec, prompt) for prompt in conformance.PROMPTS),
        conformance.causality_error(spec),
        conformance.masked_step_error(spec),
        conformance.reused_state_error(spec),
        worst(abs(conformance.parameter_miscount(spec, width)) for width in conformance.WIDTHS),
        worst(map(abs, chain(*(conformance.state_miscount(spec, context) for context in conformance.STATE_CONTEXTS)))),
        worst(abs(conformance.flop_miscount(spec, context)) for context in conformance.FLOP_CONTEXTS),
        float(len(conformance.lost_forms(spec))),
    )
    return dict(zip(BOUNDS, errors, strict=True))


def cell(error: float, bound: float) -> Text:
    """The error, or whether it is none where none is allowed."""
    text = f"{error:.1e}" if bound else "exact" if error == 0 else "no"
    return Text(text, style="" if error <= bound else "bold red")


def as_table(measured: dict[str, Errors]) -> Table:
    """Checks by operators."""
    operators = (Column(Text(notation), justify="right") for notation in measured)
    table = Table("check", "bound", *operators, box=None, pad_edge=False)
    for check, bound in BOUNDS.items():
        cells = (cell(errors[check], bound) for errors in measured.values())
        table.add_row(check, f"{bound:.0e}" if bound else "exact", *cells)
    return table


def main() -> int:
    parser = argparse.ArgumentParser(description="Errors of operators in the conformance suite.")
    parser.add_argument("notation", nargs="*", help="operators, such as a[kv=2] (default: all that are registered)")
    try:
        specs = [parse_operator(text) for text in parser.parse_args().notation or operator_types()]
    except InputError as error:
        parser.error(str(error))
    measured = {spec.notation: errors_of(spec) for spec in track(specs, "checking", console=stderr(), transient=True)}
    stdout().print(as_table(measured))
    passed = all(error <= BOUNDS[check] for errors in measured.values() for check, error in errors.items())
    document = {
        "passed": passed,
        "torch": torch.__version__,
        "bounds": BOUNDS,
        "errors": {
            notation: {check: error if math.isfinite(error) else None for check, error in errors.items()}
            for notation, errors in measured.items()
        },
    }
    print_json(document)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
