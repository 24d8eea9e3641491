import re

import pytest
from cuda_fakes import STEADY
from hypothesis import given
from hypothesis import strategies as st

from nas_search.errors import RunError
from nas_search.profiler.conditions import Conditions
from nas_search.profiler.cuda import throttling
from nas_search.profiler.cuda.throttling import POWER_CAP, SETTLE_READINGS, ClockWatch

HARD = sorted(throttling.ADVICE.keys() - {POWER_CAP})


def watch(*readings: Conditions) -> ClockWatch:
    """One that has seen steady clocks at its start and will then see ``readings``."""
    start = [STEADY] * (SETTLE_READINGS + 1)
    answers = iter([*start, *readings])
    found = ClockWatch("device 'h100' (cuda:0)", lambda: next(answers))
    found.check()
    return found


def reading(**changes: object) -> Conditions:
    return STEADY.model_copy(update=changes)


@pytest.mark.parametrize("reason", HARD)
def test_every_slowdown_is_refused_at_once(reason: str) -> None:
    throttled = watch(reading(throttled=(reason,)))
    with pytest.raises(RunError, match=re.escape(f"are held down ({reason})")):
        throttled.check()


def test_the_message_says_what_and_what_to_do_in_one_line() -> None:
    hot = watch(reading(sm_mhz=1200, temperature_c=88, throttled=("hardware slowdown", "hardware thermal slowdown")))
    with pytest.raises(RunError) as refused:
        hot.check()
    assert str(refused.value) == (
        "device 'h100' (cuda:0): clocks are held down (hardware slowdown, hardware thermal slowdown) while it was "
        "measured: multiprocessors 1980 to 1200 MHz, memory 2619 to 2619 MHz, 88 °C; let it cool down, then measure "
        "again"
    )


def test_a_slowdown_before_the_first_round_is_refused_too() -> None:
    hot = ClockWatch("device 'h100' (cuda:0)", lambda: reading(throttled=("power brake",)))
    with pytest.raises(RunError, match="power brake"):
        hot.check()


@pytest.mark.parametrize(("sm_mhz", "fine"), [(1980, True), (1890, True), (1870, False)])
def test_the_power_cap_counts_when_clocks_fell(sm_mhz: int, fine: bool) -> None:
    capped = watch(reading(sm_mhz=sm_mhz, throttled=(POWER_CAP,)))
    if fine:
        capped.check()
    else:
        with pytest.raises(RunError, match="power cap"):
            capped.check()


@pytest.mark.parametrize(
    ("change", "fine"),
    [
        ({"sm_mhz": 1935}, True),
        ({"sm_mhz": 1900}, False),
        ({"sm_mhz": 2050}, False),
        ({"memory_mhz": 2619}, True),
        ({"memory_mhz": 1593}, False),
        ({"sm_mhz": None, "memory_mhz": None}, True),
    ],
)
def test_clocks_that_change_for_no_reason(change: dict[str, int | None], fine: bool) -> None:
    changed = watch(reading(**change))
    if fine:
        changed.check()
    else:
        with pytest.raises(RunError, match=r"clocks changed .* let nobody else use it"):
            changed.check()


def test_small_falls_do_not_add_up_unseen() -> None:
    """Each is compared with the start, not with the one before."""
    creeping = watch(*(reading(sm_mhz=1980 - 30 * step) for step in range(1, 4)))
    creeping.check()
    with pytest.raises(RunError, match="1980 to 1920"):
        creeping.check()


def test_a_device_that_was_idle_may_reach_its_clocks_first() -> None:
    rising = iter([*(reading(sm_mhz=mhz) for mhz in (345, 1200, 1755, 1980)), *[STEADY] * (SETTLE_READINGS + 1)])
    woken = ClockWatch("device 'h100' (cuda:0)", lambda: next(rising))
    for _ in range(5):
        woken.check()


def test_others_are_remembered() -> None:
    alone = watch(*[STEADY] * 2)
    alone.check()
    assert not alone.others_seen
    visited = watch(reading(others=1), STEADY)
    visited.check()
    visited.check()
    assert visited.others_seen


@given(st.lists(st.floats(-0.029, 0.029), min_size=1, max_size=20))
def test_what_passes_is_within_the_stated_share(changes: list[float]) -> None:
    steady = watch(*(reading(sm_mhz=round(1980 * (1 + change))) for change in changes))
    for _ in changes:
        steady.check()
