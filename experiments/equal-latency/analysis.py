"""The winner of a search less each pure network."""

from comparing import Analysis, comparison_document, comparison_page, comparison_table
from losses import loss_document, loss_table
from paired import Paired, corrected
from study_results import Results

from nas_search.errors import InputError
from nas_search.yaml_text import parse_yaml

WINNER = "winner"


def analyse(results: Results) -> Analysis:
    """Comparisons, beside the latencies that were measured."""
    config, networks = results.study.config, results.study.networks
    if WINNER not in networks:
        raise InputError(f"{results.study.folder / str(config.networks_file)}: has no network '{WINNER}'")
    others = [name for name in networks if name != WINNER]
    found = corrected([Paired.of(results.losses(WINNER), results.losses(name)) for name in others])
    rows = {f"winner less {name}": comparison for name, comparison in zip(others, found, strict=True)}
    path = results.study.folder / str(config.networks_file)
    measured = parse_yaml(path.read_text(encoding="utf-8"), str(path))
    latencies = {
        name: f"{row['latency_ms']:.4g} [{row['low']:.4g}, {row['high']:.4g}]"
        for name, row in measured["networks"].items()
    }
    ratios = {
        name: "{value:.3f} [{low:.3f}, {high:.3f}]".format_map(row["ratio"])
        for name, row in measured["networks"].items()
    }
    clocks = " and ".join(sorted({row["clock"] for row in measured["networks"].values()}))
    where = (
        f"latencies: {measured['workload']} in ms on {measured['device']}, measured ({clocks} clock), "
        "median and quartiles of several copies; ratio: to the winner's in the same process, median over processes "
        "with its 95 % interval"
    )
    table = loss_table(results, ms=latencies, ratio=ratios)
    document = {
        "losses": loss_document(results),
        "comparisons": comparison_document(rows),
        "measured": measured,
    }
    page = comparison_page(config.title, rows, [*results.facts(), where])
    return Analysis([where, table, comparison_table(rows)], document, page)
