"""Who is confirmed and who wins."""

from nas_search.profiler.measurement import Measurement
from nas_search.search.choice import choose_winner
from nas_search.search.trial import Confirmation, SeedScore, TrialRecord


def confirmed(number: int, latency_ms: float, loss: float) -> TrialRecord:
    measurement = Measurement(
        latency_ms=latency_ms,
        low_ms=latency_ms,
        high_ms=latency_ms,
        n=9,
        wall_ms=latency_ms,
        cpu_ms=latency_ms,
        clock="cpu",
        busy=False,
        kernels=("test",),
        device_id="cpu-test",
        workload="decode:256",
    )
    score = SeedScore(seed=1, bits_per_byte=loss, weights="w.safetensors")
    return TrialRecord(
        number=number,
        proposal_index=number,
        architecture=f"w{32 * (number + 1)} m2",
        fingerprint=str(number),
        state="complete",
        latency_ms=latency_ms,
        parameters=1,
        bits_per_byte=loss,
        rung=1,
        rung_scores=(loss, loss),
        confirmed=Confirmation(latency=measurement, tokens=1, scores=(score,)),
    )


RECORDS = [confirmed(0, 1.0, 3.0), confirmed(1, 2.0, 2.5), confirmed(2, 4.0, 2.4), confirmed(3, 5.0, 2.6)]


def test_with_a_limit_the_lowest_loss_within_it_wins() -> None:
    winner = choose_winner(RECORDS, limit_ms=3.0)
    assert winner is not None and winner.number == 1


def test_without_a_limit_the_lowest_loss_wins() -> None:
    winner = choose_winner(RECORDS, limit_ms=None)
    assert winner is not None and winner.number == 2


def test_if_none_is_measured_within_the_limit_the_fastest_wins() -> None:
    winner = choose_winner(RECORDS, limit_ms=0.5)
    assert winner is not None and winner.number == 0


def test_nothing_confirmed_means_no_winner() -> None:
    assert choose_winner([RECORDS[0].model_copy(update={"confirmed": None})], limit_ms=None) is None
