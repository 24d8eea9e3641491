"""Who is confirmed and who wins."""

import pytest

from nas_search.profiler.measurement import Measurement
from nas_search.profiler.precision import Precision
from nas_search.profiler.workload import Workload
from nas_search.search.choice import choose_winner, confirmed_figures, confirmed_front, worth_confirming
from nas_search.search.goals import Goals
from nas_search.search.trial import Confirmation, SeedScore, TrialRecord

MAIN, MEMORY = "decode:256", "memory:1024"


def goals(*limits: str, objectives: tuple[str, ...] = (MAIN, "loss")) -> Goals:
    return Goals.stored(objectives, limits)


def measured(workload: str, value: float) -> Measurement:
    return Measurement(
        value=value,
        low=value,
        high=value,
        n=9,
        wall=value,
        device=value,
        clock="device",
        busy=False,
        batch=1,
        kernels=("test",),
        device_id="cpu-test",
        workload=workload,
        unit=Workload.parse(workload).unit,
        precision=Precision.of("float32"),
    )


def confirmed(
    number: int, latency_ms: float, loss: float, memory: float = 1.0, found: float | None = None
) -> TrialRecord:
    """A trial whose latency was measured as predicted, and its memory as ``found``, if at all."""
    return TrialRecord(
        number=number,
        proposal_index=number,
        architecture=f"w{32 * (number + 1)} m2",
        fingerprint=str(number),
        state="complete",
        latency_ms=latency_ms,
        figures={MAIN: latency_ms, MEMORY: memory},
        parameters=1,
        bits_per_byte=loss,
        rung=1,
        rung_scores=(loss, loss),
        confirmed=Confirmation(
            latency=measured(MAIN, latency_ms),
            figures={} if found is None else {MEMORY: measured(MEMORY, found)},
            tokens=1,
            scores=(SeedScore(seed=1, bits_per_byte=loss, weights="w.safetensors"),),
        ),
    )


RECORDS = [confirmed(0, 1.0, 3.0), confirmed(1, 2.0, 2.5), confirmed(2, 4.0, 2.4), confirmed(3, 5.0, 2.6)]


@pytest.mark.parametrize(
    ("limits", "number"),
    [((f"{MAIN}<=3ms",), 1), ((), 2), ((f"{MAIN}<=0.5ms",), 0)],
    ids=["lowest loss within it", "without a limit", "none within it: the fastest"],
)
def test_the_winner_of_a_latency_limit(limits: tuple[str, ...], number: int) -> None:
    winner = choose_winner(RECORDS, goals(*limits))
    assert winner is not None and winner.number == number


def test_nothing_confirmed_means_no_winner() -> None:
    assert choose_winner([RECORDS[0].model_copy(update={"confirmed": None})], goals()) is None


def test_a_measured_figure_counts_and_a_predicted_one_where_nothing_was_measured() -> None:
    limits = (f"{MEMORY}<=2MiB",)
    heavy, light = confirmed(0, 1.0, 2.0, memory=1.0, found=3.0), confirmed(1, 2.0, 2.5, memory=1.5)
    assert confirmed_figures(heavy) == {MAIN: 1.0, MEMORY: 3.0}
    assert confirmed_figures(light) == {MAIN: 2.0, MEMORY: 1.5}
    winner = choose_winner([heavy, light], goals(*limits))
    assert winner is not None and winner.number == 1  # though the other is better in both objectives


def test_if_none_keeps_all_limits_the_one_that_misses_them_least_wins() -> None:
    limits = (f"{MAIN}<=1ms", f"{MEMORY}<=100MiB")
    records = [confirmed(0, 1.5, 2.0, memory=90.0), confirmed(1, 1.1, 2.5, memory=120.0), confirmed(2, 2.0, 1.0)]
    winner = choose_winner(records, goals(*limits))
    assert winner is not None and winner.number == 1


def test_a_third_objective_keeps_members_that_two_would_not() -> None:
    records = [
        confirmed(0, 1.0, 2.0, memory=9.0),
        confirmed(1, 2.0, 2.5, memory=3.0),
        confirmed(2, 3.0, 2.6, memory=4.0),
    ]
    assert [record.number for record in confirmed_front(records, goals())] == [0]
    three = goals(objectives=(MAIN, "loss", MEMORY))
    assert [record.number for record in confirmed_front(records, three)] == [0, 1]
    assert [r.number for r in worth_confirming(records, 1, three, three.reference(records, 8.0))] == [0]
