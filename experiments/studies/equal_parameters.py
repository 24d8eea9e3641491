"""Networks of one width with equally many parameters: their FFNs take up what their mixers leave.

    python experiments/studies/equal_parameters.py --parameters 376000 --width 64 "(a f)x6" "(d m2 f)x4"

Prints each network in notation, with its number of parameters and the ratio of its FFNs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from script import run_script

from nas_search.errors import InputError
from nas_search.space.architecture import Architecture
from nas_search.space.operators.ffn.spec import FeedForward


def with_parameters(width: int, operators: str, parameters: int) -> Architecture:
    """The network whose FFNs (each ``f`` of ``operators``) make its parameters nearest to ``parameters``."""

    def of(hidden: int) -> Architecture:
        parts = operators.replace("(", "( ").replace(")", " )").split(" ")
        text = " ".join(f"f[hidden={hidden}]" if part == "f" else part for part in parts)
        return Architecture.parse(f"w{width} {text.replace('( ', '(').replace(' )', ')')}")

    one, two = of(1), of(2)
    each = two.parameters - one.parameters
    hidden = 0 if each == 0 else 1 + round((parameters - one.parameters) / each)
    if hidden < 1:
        raise InputError(f"{operators}: no size of its FFNs gives {parameters:,} parameters; another width may")
    return of(hidden)


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("operators", nargs="+", help="operators in notation, FFNs as f")
    parser.add_argument("--parameters", type=int, required=True)
    parser.add_argument("--width", type=int, required=True)
    options = parser.parse_args(arguments)
    for operators in options.operators:
        network = with_parameters(options.width, operators, options.parameters)
        hidden = next(spec.hidden for spec in network.operators if isinstance(spec, FeedForward) and spec.hidden)
        print(f"{network.notation}: {network.parameters:,} parameters, FFN ratio {hidden / network.width:.2f}")


if __name__ == "__main__":
    sys.exit(run_script(lambda: main(sys.argv[1:])))
