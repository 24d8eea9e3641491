"""``nas-search law choose``: depth and width for a device."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nas_search.cli.console import Json, print_json, stderr
from nas_search.cli.doctor import StrictKernels
from nas_search.cli.law_input import MOST_TOKENS, PAGE, SPACE, read_law
from nas_search.cli.options import WORKLOAD, DeviceName, Seed, check_kernels_of
from nas_search.cli.output import check_targets, write_target
from nas_search.cli.progress import progress_bar
from nas_search.errors import InputError

if TYPE_CHECKING:
    from nas_search.proxies.scaling_law import ScalingLaw
    from nas_search.search.block_grid import BlockGrid
    from nas_search.search.depth_width import Choice
    from nas_search.space.search_space import SearchSpace


def choose(
    law: Annotated[
        Path,
        typer.Option(metavar="FILE", help="A law that 'law fit' wrote (.json), or what it takes: a run or a table."),
    ],
    latency_budget: Annotated[
        str, typer.Option(help="12ms, 15s, 3x the fastest candidate, or an architecture's own figure.")
    ],
    device: DeviceName = "cpu",
    workload: Annotated[str, typer.Option(help=f"{WORKLOAD}; a latency.")] = "decode:256",
    table: Annotated[Path | None, typer.Option(help="Take latencies from this latency table.")] = None,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Take published rates for a device that is neither here nor in a table.")
    ] = False,
    block: Annotated[str, typer.Option(help="What is repeated: '(d f m2 f)', say, or one mixer.")] = "(a f)",
    repeats: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,C", help="How often (default: up to 8 numbers, within the depths of the law's data)."
        ),
    ] = None,
    widths: Annotated[
        str | None, typer.Option(metavar="A,B,C", help="Default: the widths of --space, or of the law's data.")
    ] = None,
    vocabulary: Annotated[
        int | None, typer.Option(help="Of the candidates (default: that of --space, or 256).", min=1)
    ] = None,
    space: Annotated[
        str | None, typer.Option(help="Space of a second stage, whose operators are searched for; see --out.")
    ] = None,
    tokens: Annotated[
        int | None,
        typer.Option(
            help="Predict the loss after so many (default: the most in the law's data).", min=1, max=MOST_TOKENS
        ),
    ] = None,
    seed: Seed = 0,
    strict_kernels: StrictKernels = False,
    out: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Write a page with a picture (.html), or --space with this width and depth (.yaml); repeatable.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Choose depth and width for a device: of many, the lowest predicted loss that meets a latency budget.

    Latencies are measured on a device of this machine. With --table they are those of a latency table; for a device
    elsewhere there is its recorded table, or --estimate.
    """
    from nas_search.cli.law_view import print_choice
    from nas_search.search.budget import parse_budget
    from nas_search.search.depth_width import choose as choose_best
    from nas_search.search.depth_width import time_shapes
    from nas_search.search.latency_source import find_source
    from nas_search.search.network_latency import latencies_from, latency_workload
    from nas_search.space.search_space import load_space

    targets = check_targets(out or [], (PAGE, SPACE))
    members = None if space is None else load_space(space)
    if members is None and any(kind == SPACE for _, kind in targets):
        raise InputError("--out: a .yaml file is for the space of a second stage; name one with --space")
    parse_budget(latency_budget)
    known = read_law(law, seed)
    known.require("depth", "width")
    if tokens is not None:
        known.require("tokens")
    grid = _grid(known, block, repeats, widths, vocabulary, members)
    source = find_source(
        device, given=table, frozen=None, estimate=estimate, lacks=lambda found: grid.uncovered(found, workload)
    )
    question = latency_workload(workload, source.device.default_dtype)
    if source.measures and table is None:
        check_kernels_of(grid.block, [question], source.device, strict=strict_kernels)
    with progress_bar(stderr(), "measuring") as report:
        latencies = latencies_from(source, question, seed=seed, progress=report)
        timed = time_shapes(grid, latency_budget, latencies, question)
    asked = float(tokens or known.observed["tokens"].values[-1])
    choice = choose_best(known, timed, device=source.device.description, tokens=asked)
    for path, text in _texts(choice, known, members, targets):
        write_target(path, text)
    if json:
        print_json({**choice.model_dump(mode="json"), "law": known.source})
    else:
        print_choice(choice, known)


def _grid(
    law: "ScalingLaw",
    block: str,
    repeats: str | None,
    widths: str | None,
    vocabulary: int | None,
    space: "SearchSpace | None",
) -> "BlockGrid":
    """The candidates: as asked, else as the space and the law's data have them."""
    from nas_search.search.block_grid import BlockGrid, parse_block, repeats_within
    from nas_search.space.architecture import BYTE_VOCABULARY

    operators = parse_block(block)
    there = space.widths if space else tuple(map(round, law.observed["width"].values))
    return BlockGrid(
        block=operators,
        repeats=repeats_within(law, operators) if repeats is None else _counts("repeats", repeats),
        widths=there if widths is None else _counts("widths", widths),
        vocabulary=vocabulary or (space.tokens if space else BYTE_VOCABULARY),
        meta_tokens=space.meta_tokens if space else 0,
        tied_head=space.tied_head if space else True,
    )


def _counts(option: str, text: str) -> tuple[int, ...]:
    """Whole numbers above 0 between commas."""
    words = [word.strip() for word in text.split(",")]
    if not all(word.isascii() and word.isdigit() and 0 < len(word) < 10 and int(word) for word in words):
        raise InputError(f"--{option} {text!r}: whole numbers above 0 with commas between them, such as 4,8,12")
    return tuple(map(int, words))


def _texts(
    choice: "Choice", law: "ScalingLaw", space: "SearchSpace | None", targets: list[tuple[Path, str]]
) -> list[tuple[Path, str]]:
    """What to write where: the page of the choice, and the space with its depth and width."""
    import yaml

    from nas_search.cli.law_view import choice_facts
    from nas_search.results.law_page import choice_html
    from nas_search.search.chosen_shape import second_stage

    def text(kind: str) -> str:
        if kind == SPACE and space is not None:
            second = second_stage(space, depth=choice.winner.depth, width=choice.winner.width)
            return yaml.safe_dump(second.model_dump(mode="json"), sort_keys=False)
        return choice_html(choice, choice_facts(choice, law))

    return [(path, text(kind)) for path, kind in targets]
