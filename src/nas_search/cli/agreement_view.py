"""How the agreement of proxies is printed."""

from typing import TYPE_CHECKING

from rich.table import Table

from nas_search.cli.console import stdout
from nas_search.cli.figures import interval

if TYPE_CHECKING:
    from nas_search.proxies.agreement import Agreement, Figure, ProxyAgreement


def print_agreement(found: "Agreement", tau: float) -> None:
    """The correlations of each proxy, and what follows."""
    console = stdout()
    first, *others = agreement_facts(found, tau)
    console.print(first, style="bold", markup=False)
    headings, rows = agreement_rows(found)
    table = Table(*headings, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    console.print(table, markup=False)
    for fact in others:
        console.print(fact, markup=False)


def agreement_facts(found: "Agreement", tau: float) -> list[str]:
    """What was compared, how the bands are, and how long a training must be: a line each."""
    left_out = f"; {found.left_out} without it left out" if found.left_out else ""
    lines = [f"{found.n} networks of {found.source} against {found.target}{left_out}"]
    if found.bands:
        sizes, spread = found.bands.networks, found.bands.spread
        lines.append(
            f"{len(sizes)} bands of equal latency, pairs of all bands pooled: {interval(min(sizes), max(sizes))} "
            f"networks each, slowest over fastest {min(spread):.2f} to {max(spread):.2f}"
        )
    else:
        lines.append(f"no bands of equal latency: {found.no_bands}")
    where = " in bands" if found.bands else ""
    lines.append(
        f"in brackets: 95 %, {found.resamples:,} bootstrap resamples of networks; "
        f"above: how much higher tau{where} is, in the same resamples"
    )
    scopes = {"overall": False} | ({"in bands": True} if found.bands else {})
    answers = [f"{name}: {_shortest(found, tau, in_bands)}" for name, in_bands in scopes.items()]
    lines.append(f"shortest training with a tau of {tau:g} at the lower end of its interval: {'; '.join(answers)}")
    return lines


def agreement_rows(found: "Agreement") -> tuple[list[str], list[list[str]]]:
    """Headings, and a row for each proxy; differences are those in bands if there are any."""
    from nas_search.proxies.agreement import BASELINES

    there = {name for proxy in found.proxies for name in (proxy.tau_above_in_bands if found.bands else proxy.tau_above)}
    baselines = [name for name in BASELINES if name in there]
    headings = ["proxy", "tau", "rho", *(["tau in bands", "rho in bands"] if found.bands else [])]
    headings += [f"above {name}" for name in baselines]
    return headings, [_row(proxy, baselines) for proxy in found.proxies]


def _row(proxy: "ProxyAgreement", baselines: list[str]) -> list[str]:
    cells = [proxy.name, _cell(proxy.overall.tau), _cell(proxy.overall.rho)]
    above = proxy.tau_above
    if proxy.in_bands is not None:
        cells += [_cell(proxy.in_bands.tau), _cell(proxy.in_bands.rho)]
        above = proxy.tau_above_in_bands
    return cells + [_cell(above.get(name)) for name in baselines]


def _cell(figure: "Figure | None") -> str:
    return "" if figure is None else f"{figure.value:.2f} [{figure.low:.2f}, {figure.high:.2f}]"


def _shortest(found: "Agreement", tau: float, in_bands: bool) -> str:
    proxy = found.shortest(tau, in_bands=in_bands)
    return "none of these" if proxy is None else proxy.name
