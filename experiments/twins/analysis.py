"""How well twins rank networks as long trainings of the networks themselves do, beside short ones of these.

Writes ``recorded/table.csv``, which ``nas-search agreement`` reads, too.
"""

from agreeing import agreement, budgets, own_losses, recorded_losses
from comparing import Analysis
from study_results import Results

from nas_search.errors import InputError
from nas_search.proxies.twin import times_fewer
from nas_search.space.architecture import Architecture

TWINS = "twin_"


def analyse(results: Results) -> Analysis:
    """Correlations of the twins' losses, and of the networks' after fewer tokens, with those after most."""
    recorded = recorded_losses(results)
    if recorded is None:
        raise InputError(f"{results.study.path}: recorded_losses: the losses of the networks themselves are needed")
    frame = recorded.join(own_losses(results, TWINS).drop(columns="architecture"))
    fewer = sorted(_fewer(results, name) for name in results.study.networks)
    fact = f"twins have {fewer[0]:.2g} to {fewer[-1]:.2g} times fewer parameters, median {fewer[len(fewer) // 2]:.2g}"
    columns = [*budgets(frame, TWINS), *budgets(frame)]
    return agreement(results, frame, columns, [fact], {"times_fewer_parameters": fewer})


def _fewer(results: Results, name: str) -> float:
    (member,) = (member for member in results.study.members if member.network == name)
    twin = Architecture.parse(results.of(member)[0].training.architecture)
    return times_fewer(results.study.networks[name], twin)
