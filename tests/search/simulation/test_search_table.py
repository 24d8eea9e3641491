import numpy as np
import pandas as pd
import pytest
from table_fakes import GENES, RUNGS, frame, laddered, table

from nas_search.errors import InputError
from nas_search.search.simulation.search_table import RungColumns, SearchTable


def test_choices_are_in_their_natural_order_as_plain_values() -> None:
    genes = table(frame().sample(frac=1, random_state=1)).problem().space.genes
    assert [gene.choices for gene in genes] == [
        (1, 2, 4, 8, 16), ("a", "d", "m2"), (False, True), (0.5, 1.0, 2.0, 3.5),
    ]  # fmt: skip
    assert {type(choice) for gene in genes for choice in gene.choices} == {int, str, bool, float}


def test_rows_are_counted_whatever_the_frame_s_index() -> None:
    shuffled = frame().sample(frac=1, random_state=1)
    made = table(shuffled)
    assert made.latencies.tolist() == shuffled["ms"].tolist()
    assert made.members.space.genomes[0] == tuple(shuffled.iloc[0][list(GENES)])


def test_what_is_over_the_limit_counts_as_the_worst_loss() -> None:
    problem = table(frame().assign(loss=[5.0, np.nan, np.inf, *[4.0] * 117])).problem(latency_limit=3.0)
    assert problem.penalty_loss == 5.0
    assert problem.goals.main_limit == 3.0 and table().problem().goals.main_limit is None


def test_seconds_of_rungs() -> None:
    rows = frame()
    assert table(rows).seconds.tolist() == [[1.0]] * len(rows)
    assert table(rows, cost="seconds").seconds[:, 0].tolist() == rows["seconds"].tolist()
    shared = laddered(rows).seconds
    assert shared[3] == pytest.approx(rows["seconds"][3] * np.array([1 / 9, 2 / 9, 6 / 9]))
    rows["own"] = 7.0
    own = SearchTable(rows, GENES, "ms", (RUNGS[0]._replace(cost="own"), *RUNGS[1:]), "seconds").seconds
    assert own[3].tolist() == [7.0, *shared[3][1:]]
    assert laddered(rows).ladder.tokens == (100, 300, 900)


def replaced(column: str, row: int, value: object) -> pd.DataFrame:
    rows = frame()
    rows[column] = rows[column].astype(object if isinstance(value, str) else float)
    rows.loc[row, column] = value
    return rows


@pytest.mark.parametrize(
    ("rows", "fields", "message"),
    [
        (frame(), {"loss": "perplexity"}, "mine.csv: no column 'perplexity'; there are depth, mixer"),
        (frame(), {"genes": ("depth", "heads")}, "no column 'heads'"),
        (frame(), {"genes": ()}, "no genes"),
        (frame(), {"genes": (*GENES, "wide")}, "column 'wide' is given twice"),
        (frame(), {"genes": (*GENES, "loss")}, "column 'loss' is given twice"),
        (frame().assign(mixer=[["a"], ["b"]] * 60), {}, "gene 'mixer': its values must all be text"),
        (frame().assign(note="fast"), {"latency": "note"}, "column 'note': not numeric"),
        (frame(), {"cost": "wide"}, "column 'wide': not numeric"),
        (replaced("ms", 4, np.nan), {}, "column 'ms': row 4 has no number"),
        (replaced("ms", 4, np.inf), {}, "column 'ms': row 4 has no number"),
        (replaced("ms", 4, 0.0), {}, "column 'ms': latencies must be above zero"),
        (replaced("seconds", 4, -1.0), {"cost": "seconds"}, "seconds of training must not be negative"),
        (replaced("depth", 4, np.nan), {}, "gene 'depth': row 4 has no value"),
        (replaced("depth", 4, "deep"), {}, "gene 'depth': its values must all be text, all numbers, or all true/false"),
        (frame().assign(depth=pd.Timestamp("2026-01-01") + pd.to_timedelta(range(120), "D")), {}, "must all be text"),
        (frame().assign(depth=3), {}, "gene 'depth': all rows have the same value"),
        (frame(), {"genes": GENES[:3]}, "90 rows repeat the genes of another, the first is row 1"),
        (frame().assign(loss=np.nan), {}, "column 'loss': no loss at all"),
    ],
)
def test_bad_tables_are_refused_in_one_line(rows: pd.DataFrame, fields: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=r"^mine\.csv: ") as caught:
        table(rows, name="mine.csv", **fields)
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("tokens", [(), (0,), (100, 100), (300, 100)])
def test_rungs_must_rise(tokens: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="rising from at least 1"):
        SearchTable(frame(), GENES, "ms", tuple(RungColumns(one, "loss") for one in tokens))


def test_losses_of_rungs_must_have_logarithms() -> None:
    rows = frame()
    rows.loc[4, "loss_300"] = 0.0
    with pytest.raises(InputError, match=r"^table: losses must be above zero to be extrapolated"):
        laddered(rows)
    assert table(rows.assign(loss=rows["loss"] - 9)).losses.max() < 0
