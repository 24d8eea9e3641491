"""The front of a study on the terminal."""

from typing import TYPE_CHECKING

from nas_search.cli.console import stdout

if TYPE_CHECKING:
    from nas_search.search.study import Study


def print_front(study: "Study") -> None:
    """The table, what there is beside the winner, and of a search of two stages how depth and width were chosen."""
    from nas_search.results.beside_winner import beside_winner
    from nas_search.results.table import front_table

    console = stdout()
    console.print(front_table(study))
    if (hint := beside_winner(study)) is not None:
        console.print(hint, markup=False)
    shape = study.facts.shape if study.facts else None
    for fact in shape.facts if shape else ():
        console.print(fact, markup=False)
